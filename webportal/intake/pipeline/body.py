"""Receiving files as a request body: completely and within the limits, or not at all."""

import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import IO

from django.conf import settings
from django.http import HttpRequest
from django.http.request import UnreadablePostError
from django.utils.translation import gettext as _

from ml import images
from webportal.intake import blobs
from webportal.intake.errors import IntakeError
from webportal.intake.pipeline import group
from webportal.intake.pipeline.receive import too_large

# Key of the request's environment for a body that the server has already spooled to a file.
SPOOLED_BODY = "chestline.body"
_CHUNK = 1024**2


class BodyError(IntakeError):
    """The body did not arrive as a whole file; nothing of it is kept."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status


@contextmanager
def received(request: HttpRequest) -> Iterator[IO[bytes]]:
    """Yield the body as a file, in memory or, if large, on disk until the block ends.

    The length is checked first, so that an oversized file never fills the disk, and compared
    afterwards: a server may pass on a truncated body as complete when the connection broke. The
    portal's own server has done both, and a body that it has spooled is not copied. Raises
    BodyError, and StorageRefusesError if nothing can be stored.
    """
    length = request.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise BodyError(
            HTTPStatus.LENGTH_REQUIRED,
            "no_length",
            _("The request does not state its length (Content-Length)."),
        )
    limit = max(settings.UPLOAD_MAX_BYTES, settings.UPLOAD_MAX_ARCHIVE_BYTES)
    if int(length) > limit:
        reason = too_large(limit)
        raise BodyError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason.code, reason.message)
    blobs.check_space(int(length))
    if (body := request.META.get(SPOOLED_BODY)) is not None:
        yield body
        return
    with tempfile.SpooledTemporaryFile(
        max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE, dir=settings.FILE_UPLOAD_TEMP_DIR
    ) as file:
        try:
            while chunk := request.read(_CHUNK):
                file.write(chunk)
        except UnreadablePostError:
            raise _interrupted() from None
        if file.tell() != int(length):
            raise _interrupted()
        file.seek(0)
        yield file


def divided(body: IO[bytes], list_bytes: str) -> list[tuple[str, IO[bytes]]]:
    """Return the files, with their paths, of a body that holds several small ones.

    It begins with a JSON list that is `list_bytes` long and has the `path` and `size` of each file;
    the files follow one after the other. Raises BodyError if the body is not like that, if a file
    is a ZIP, which would get several verdicts, or if the files exceed the limits of a group.
    """
    length = body.seek(0, 2)
    body.seek(0)
    if length > group.MOST_BYTES or not list_bytes.isdecimal():
        raise _not_divisible()
    try:
        listed = json.loads(body.read(min(int(list_bytes), length)))
        named = [(each["path"], each["size"]) for each in listed]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _not_divisible() from None
    is_valid = all(
        isinstance(path, str) and type(size) is int and 0 <= size <= length for path, size in named
    )
    if not is_valid or not 0 < len(named) <= group.MOST_FILES:
        raise _not_divisible()
    files = [(path, body.read(size)) for path, size in named]
    is_whole = all(len(data) == size for (_, data), (_, size) in zip(files, named, strict=True))
    if not is_whole or body.read(1) or any(images.sniff(data) == "zip" for _, data in files):
        raise _not_divisible()
    return [(path, io.BytesIO(data)) for path, data in files]


def _not_divisible() -> BodyError:
    return BodyError(
        HTTPStatus.BAD_REQUEST,
        "not_divisible",
        _("These files cannot be received in one request. Send each by itself."),
    )


def _interrupted() -> BodyError:
    return BodyError(
        HTTPStatus.BAD_REQUEST,
        "interrupted",
        _("The connection broke before the whole file had arrived. Send it again."),
    )
