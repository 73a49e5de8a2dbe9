"""Bodies of STOW-RS at the portal's server: in chunks, of unknown length, from whom."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests import dicom_files as files
from tests.dicomweb.conftest import BOUNDARY, in_parts
from tests.server.conftest import Server, answer, start_server
from webportal.accounts.models import Role, User
from webportal.accounts.services import create_token
from webportal.records.models import Radiograph

__all__ = ["start_server"]


def head(token: str, *headers: str) -> bytes:
    lines = [
        "POST /dicom-web/studies HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        f'Content-Type: multipart/related; type="application/dicom"; boundary={BOUNDARY}',
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def chunks(body: bytes, size: int = 10_000) -> Iterator[bytes]:
    for at in range(0, len(body), size):
        piece = body[at : at + size]
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"


def ask(server: Server, *sent: bytes) -> tuple[int, bytes]:
    with server.connect() as connection:
        for each in sent:
            connection.sendall(each)
        response = answer(connection)
        return response.status, response.read()


IN_CHUNKS = "Transfer-Encoding: chunked"


def test_chunks_are_taken_from_those_who_may_store(
    start_server: Callable[..., Server],
    make_user: Callable[..., User],
) -> None:
    server = start_server(UPLOAD_MAX_BYTES="300000", UPLOAD_MAX_ARCHIVE_BYTES="300000")
    body = in_parts(files.dicom(files.phantom(size=(400, 300))))
    token = create_token(make_user(Role.UPLOADER), "a gateway", 1)
    status, text = ask(server, head(token, IN_CHUNKS), *chunks(body))
    assert (status, len(json.loads(text)["00081199"]["Value"])) == (200, 1)
    assert Radiograph.objects.count() == 1
    nobody = create_token(make_user(Role.COORDINATOR), "a reader", 1)
    # Nothing of their bodies is taken in.
    assert ask(server, head("of-nobody", IN_CHUNKS))[0] == 401
    assert ask(server, head(nobody, IN_CHUNKS))[0] == 403
    too_long = bytes(300_000 + 1024**2 + 1)
    status, text = ask(server, head(token, IN_CHUNKS), *chunks(too_long, 200_000))
    assert (status, json.loads(text)["type"]) == (413, "urn:chestline:problem:too-large")
    status, text = ask(server, head(token, f"Content-Length: {len(too_long)}"))
    assert status == 413
    assert server.files_on_disk() == 0


@pytest.mark.parametrize("address", ["/api/v1/batches/{}/files"])
def test_all_other_uploads_still_say_how_long_they_are(
    start_server: Callable[..., Server],
    make_user: Callable[..., User],
    address: str,
) -> None:
    server = start_server()
    token = create_token(make_user(Role.UPLOADER), "a script", 1)
    path = address.format("00000000-0000-0000-0000-000000000001")
    request = head(token, IN_CHUNKS).replace(b"/dicom-web/studies", path.encode())
    assert ask(server, request)[0] == 411
