"""Unpacking ZIP files of many people keeps nobody from a page."""

import io
import json
import select
import socket
import time
import zipfile
from collections.abc import Callable
from contextlib import ExitStack

from tests.helpers import wait_until
from tests.server.conftest import Server, answer, cookie_of, upload_head
from webportal.accounts.models import Role, User
from webportal.intake.models import UploadItem

PEOPLE = 8
ENTRIES = 400


def small_zip_of_many_files(person: int) -> bytes:
    """Some 28 KB that cost the checks a long time: every file is one that cannot be read."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for number in range(ENTRIES):
            target.writestr(f"{number}", b"\x89PNG\r\n\x1a\n" + bytes([person]) * 100)
    return buffer.getvalue()


def test_pages_are_shown_while_many_people_send_small_zips_of_many_files(
    server: Server, make_user: Callable[..., User]
) -> None:
    people = [make_user(Role.UPLOADER, username=f"sender-{n}") for n in range(PEOPLE)]
    cookie = cookie_of(make_user(Role.RADIOLOGIST))
    assert server.get("/worklist", cookie)[0] == 200
    with ExitStack() as stack:
        senders = [stack.enter_context(server.connect()) for _ in people]
        for number, (sender, person) in enumerate(zip(senders, people, strict=True)):
            data = small_zip_of_many_files(number)
            sender.sendall(upload_head(person, len(data), name="a.zip") + data)
        shown = []
        while UploadItem.objects.count() < ENTRIES // 2:
            begin = time.monotonic()
            assert server.get("/worklist", cookie)[0] == 200
            shown.append(time.monotonic() - begin)
        # Two are being unpacked; the others were told to wait.
        wait_until(lambda: sum(map(has_answer, senders)) == PEOPLE - 2, "the others have answers")
        answers = [json.load(answer(each)) for each in senders if has_answer(each)]
    assert {each["code"] for each in answers} == {"archive_waits"}
    assert max(shown) < 10, shown


def has_answer(sender: socket.socket) -> bool:
    return bool(select.select([sender], [], [], 0)[0])
