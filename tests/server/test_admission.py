"""Unacceptable bodies are refused before they are sent."""

import http.client
import json
import resource
import shutil
import uuid
from collections.abc import Callable
from contextlib import ExitStack, closing
from email.message import Message
from pathlib import Path

from tests import dicom_files as files
from tests.helpers import wait_until
from tests.server.conftest import Server, answer, upload_head
from webportal.access.models import AccessEntry, AccessKind, AccessOutcome
from webportal.accounts.models import Role, User
from webportal.accounts.services import create_token, revoke_all_tokens
from webportal.intake.batches import services
from webportal.server.bridge import environ_of

GIGABYTES_4 = 4 * 1024**3


def head(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()


def ask(server: Server, request: bytes) -> tuple[int, bytes, Message]:
    with server.connect() as connection:
        connection.sendall(request)
        response = answer(connection)
        return response.status, response.read(), response.headers


def test_an_anonymous_body_is_refused_before_it_is_sent(server: Server, uploader: User) -> None:
    batch = services.create_batch(uploader)
    for path in (f"/uploads/{batch.pk}/files", f"/api/v1/batches/{batch.pk}/files"):
        # No 100 Continue comes first, by which a client would begin to send.
        status, _, _headers = ask(
            server, head(path, f"Content-Length: {GIGABYTES_4}", "Expect: 100-continue")
        )
        if path.startswith("/api/"):
            assert status == 401
        else:
            # No sign-in, and so no token against forged requests either.
            assert status == 403
    for path, expected in (("/sign-in", 403), ("/api/v1/batches", 401), ("/nowhere", 404)):
        assert ask(server, head(path, "Content-Length: 100000"))[0] == expected
    token = "Authorization: Token of-nobody"
    address = f"/api/v1/batches/{batch.pk}/files"
    assert ask(server, head(address, token, f"Content-Length: {GIGABYTES_4}"))[0] == 401
    assert (
        AccessEntry.objects.filter(kind=AccessKind.TOKEN, outcome=AccessOutcome.FAILED).count() == 1
    )
    assert server.files_on_disk() == 0


def test_an_oversized_body_is_refused_before_it_is_sent(
    start_server: Callable[..., Server], make_user: Callable[..., User]
) -> None:
    server = start_server(UPLOAD_MAX_ARCHIVE_BYTES="1000", UPLOAD_MAX_BYTES=str(300 * 1024**2))
    sender, reader = make_user(Role.UPLOADER), make_user(Role.COORDINATOR)
    status, body, _ = ask(server, upload_head(sender, 302 * 1024**2))
    assert (status, json.loads(body)["code"]) == (413, "too_large")
    assert b"300 MB" in body
    status, body, _ = ask(server, upload_head(sender, None))
    assert (status, json.loads(body)["code"]) == (411, "no_length")
    status, body, _ = ask(server, upload_head(sender, None, "Transfer-Encoding: chunked"))
    assert (status, json.loads(body)["code"]) == (411, "no_length")
    assert ask(server, upload_head(reader, 1000))[0] == 403
    assert ask(server, head("/uploads", f"Content-Length: {17 * 1024**2}"))[0] == 413


def test_the_named_limit_is_the_one_that_was_exceeded(server: Server, uploader: User) -> None:
    token = create_token(uploader, "a script")
    headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as api:
        api.request("POST", "/api/v1/batches", iter([b" " * 70_000]), headers)
        response = api.getresponse()
        said = response.read().decode()
    assert response.status == 413
    assert "64 KB" in said
    assert "MB" not in said
    status, body, _ = ask(server, head("/uploads", f"Content-Length: {17 * 1024**2}"))
    assert (status, b"16 MB" in body) == (413, True)


def test_a_token_that_is_revoked_between_two_files_is_refused(
    server: Server, uploader: User
) -> None:
    batch = services.create_batch(uploader)
    token = create_token(uploader, "a script")
    boundary = "Content-Type: multipart/form-data; boundary=0"
    said = (f"Authorization: Token {token}", boundary, "Content-Length: 100000")
    request = head(f"/api/v1/batches/{batch.pk}/files", *said) + b"-" * 100_000
    assert ask(server, request)[0] == 400
    revoke_all_tokens(uploader, uploader)
    assert ask(server, request)[0] == 401


def test_uploads_under_way_count_against_the_free_space(
    start_server: Callable[..., Server], make_user: Callable[..., User], tmp_path: Path
) -> None:
    size = shutil.disk_usage(tmp_path).free // 3
    server = start_server(UPLOAD_MAX_ARCHIVE_BYTES=str(size), UPLOAD_MAX_BYTES=str(size))
    first, second = make_user(Role.UPLOADER), make_user(Role.RADIOLOGIST)
    with server.connect() as under_way:
        under_way.sendall(upload_head(first, size, "Expect: 100-continue"))
        assert under_way.recv(100).startswith(b"HTTP/1.1 100 ")
        status, body, _ = ask(server, upload_head(second, size))
        assert (status, json.loads(body)["code"]) == (507, "disk_nearly_full")
    wait_until(lambda: has_room(server, second, size), "the other is given up")


def test_a_body_of_unknown_length_counts_with_all_that_it_may_have(
    start_server: Callable[..., Server], make_user: Callable[..., User], tmp_path: Path
) -> None:
    free = shutil.disk_usage(tmp_path).free
    server = start_server(UPLOAD_MAX_ARCHIVE_BYTES=str(free), UPLOAD_MAX_BYTES=str(free))
    program, person = make_user(Role.UPLOADER), make_user(Role.RADIOLOGIST)
    token = f"Authorization: Bearer {create_token(program, 'a gateway')}"
    chunks = head("/dicom-web/studies", token, "Transfer-Encoding: chunked", "Expect: 100-continue")
    size = 2 * free // 5
    assert has_room(server, person, size)
    with server.connect() as under_way:
        under_way.sendall(chunks)
        assert under_way.recv(100).startswith(b"HTTP/1.1 100 ")
        status, body, _ = ask(server, upload_head(person, size))
        assert (status, json.loads(body)["code"]) == (507, "disk_nearly_full")
    wait_until(lambda: has_room(server, person, size), "the other is given up")


def has_room(server: Server, person: User, size: int) -> bool:
    with server.connect() as connection:
        connection.sendall(upload_head(person, size, "Expect: 100-continue"))
        return connection.recv(100).startswith(b"HTTP/1.1 100 ")


def test_a_full_upload_folder_is_reported(server: Server, uploader: User) -> None:
    # What a process may write into a file stands for what the disk has room for.
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
    data = b"\0" * 2**20
    status, body, _ = ask(server, upload_head(uploader, len(data)) + data)
    assert (status, json.loads(body)["code"]) == (507, "disk_nearly_full")


def test_simultaneous_uploads_per_user_are_limited(
    start_server: Callable[..., Server], make_user: Callable[..., User]
) -> None:
    server = start_server(UPLOADS_PER_PERSON="2")
    greedy, other = make_user(Role.UPLOADER), make_user(Role.RADIOLOGIST)
    data = files.png(files.phantom())
    with ExitStack() as stack:
        first, second = (stack.enter_context(server.connect()) for _ in range(2))
        for each in (first, second):
            each.sendall(upload_head(greedy, len(data), "Expect: 100-continue"))
            assert each.recv(100).startswith(b"HTTP/1.1 100 ")
        status, body, headers = ask(server, upload_head(greedy, len(data)) + data)
        assert (status, json.loads(body)["code"]) == (429, "too_many_uploads")
        assert headers["Retry-After"] == "5"

        token = create_token(greedy, "a script")
        batch = services.create_batch(greedy)
        path = f"/api/v1/batches/{batch.pk}/files"
        lines = (f"Authorization: Token {token}", "Content-Length: 1000")
        status, body, headers = ask(server, head(path, *lines))
        assert status == 429
        assert headers["Content-Type"] == "application/problem+json"
        assert json.loads(body)["type"].endswith(":too-many-uploads")

        assert ask(server, upload_head(other, len(data)) + data)[0] == 200
        first.sendall(data)
        assert answer(first).status == 200
        assert ask(server, upload_head(greedy, len(data)) + data)[0] == 200


def test_ambiguous_message_framing_is_refused(server: Server) -> None:
    doubtful = [
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        ("Content-Length: 4", "Content-Length: 5"),
        ("Content-Length: four",),
        ("Transfer-Encoding: identity",),
        ("Host: other.example",),
        ("Content-Length : 4",),
    ]
    smuggled = b"0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for headers in doubtful:
        with server.connect() as connection:
            connection.sendall(head("/sign-in", *headers) + smuggled)
            received = b""
            while part := connection.recv(65536):
                received += part
        assert received.startswith(b"HTTP/1.1 4"), headers
        assert received.count(b"HTTP/1.1 ") == 1, headers


def test_small_bodies_may_have_an_unknown_length(server: Server, uploader: User) -> None:
    token = create_token(uploader, "a script")
    headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as api:
        # An iterable goes out in chunks.
        api.request("POST", "/api/v1/batches", iter([b'{"name": ', b'"night"}']), headers)
        response = api.getresponse()
        assert response.status == 201
        assert json.load(response)["name"] == "night"
        # The connection serves another request.
        api.request("GET", "/api/v1/batches", headers=headers)
        response = api.getresponse()
        assert response.status == 200
        assert response.headers.get("Server") is None


def test_header_names_with_underscores_are_dropped() -> None:
    scope = {
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.7", 1),
        "headers": [
            (b"x-forwarded-for", b"192.0.2.1"),
            (b"x_forwarded_for", b"192.0.2.66"),
            (b"x-forwarded-for", b"192.0.2.2"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
        ],
    }
    environ = environ_of(scope)
    assert environ["HTTP_X_FORWARDED_FOR"] == "192.0.2.1,192.0.2.2"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["REMOTE_ADDR"] == "192.0.2.7"


def test_a_body_that_comes_while_the_database_is_away_is_to_be_sent_again(
    start_server: Callable[..., Server],
) -> None:
    server = start_server(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    address = f"/api/v1/batches/{uuid.uuid4()}/files"
    status, body, headers = ask(
        server, head(address, "Authorization: Token of-somebody", "Content-Length: 100000")
    )
    assert (status, headers["Retry-After"]) == (503, "5")
    assert json.loads(body)["type"] == "urn:chestline:problem:service-unavailable"
