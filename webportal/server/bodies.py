"""Bodies of requests and responses, spooled to a file on disk unless they are small."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from tempfile import SpooledTemporaryFile
from typing import Any

from django.conf import settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Body = SpooledTemporaryFile[bytes]

# Larger bodies are spooled to disk.
MEMORY_BYTES = 64 * 1024
# How long a body may stall without a byte arriving.
STALL_SECONDS = 30
# An anonymous body has to be complete within this time, however steadily it trickles in.
OPEN_SECONDS = 60
_CHUNK = 256 * 1024

# Writing to a slow disk must not block the event loop, which serves everybody.
_disk = ThreadPoolExecutor(4, thread_name_prefix="disk")


class GoneError(Exception):
    """The client disconnected."""


class StalledError(Exception):
    """The client has stopped sending."""


class OverLimitError(Exception):
    """The body exceeds its limit."""


def new_body() -> Body:
    """Return an empty body, which is spooled to UPLOAD_TEMP_DIR once it is large."""
    return SpooledTemporaryFile(max_size=MEMORY_BYTES, dir=str(settings.UPLOAD_TEMP_DIR))


async def spool(
    receive: Receive, body: Body, limit: int, arrived: Callable[[int], None] | None = None
) -> int:
    """Read a request's body into `body` at the client's pace, and return its length.

    Calls `arrived` with the size of each part that is written. Raises GoneError, StalledError,
    OverLimitError beyond `limit` bytes, and OSError if the disk cannot take it.
    """
    length, part, is_whole = 0, bytearray(), False
    while not is_whole:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                message = await receive()
        except TimeoutError:
            raise StalledError from None
        if message["type"] != "http.request":
            raise GoneError
        part += message.get("body", b"")
        is_whole = not message.get("more_body", False)
        if length + len(part) > limit:
            raise OverLimitError
        if len(part) >= _CHUNK or is_whole:
            await _write(body, bytes(part))
            length += len(part)
            if arrived is not None:
                arrived(len(part))
            part.clear()
    body.seek(0)
    return length


async def send_body(body: Body, length: int, send: Send) -> None:
    """Send a body of `length` bytes at the client's pace."""
    body.seek(0)
    left = length
    while left > 0:
        chunk = await _read(body, length)
        left -= len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
    if length == 0:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _write(body: Body, part: bytes) -> None:
    if len(part) <= MEMORY_BYTES:
        body.write(part)
    else:
        await asyncio.get_running_loop().run_in_executor(_disk, body.write, part)


async def _read(body: Body, length: int) -> bytes:
    if length <= MEMORY_BYTES:
        return body.read(_CHUNK)
    return await asyncio.get_running_loop().run_in_executor(_disk, body.read, _CHUNK)
