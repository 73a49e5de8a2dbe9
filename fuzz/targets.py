"""The code that an incoming file passes, and the allowed outcomes: a result or intended errors."""

import hashlib
import io
import resource
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.files.uploadhandler import MemoryFileUploadHandler
from rest_framework.exceptions import APIException
from rest_framework.parsers import MultiPartParser

from deploy.local.system import ROOT as CHECKOUT
from fuzz.phantoms import BOUNDARY
from ml import images
from webportal.intake.cases import sheet
from webportal.intake.checks import archive, image_file
from webportal.intake.checks.wrapping import Header
from webportal.intake.errors import RefusedError

#: Limits for one file. The phantoms are small; the sandbox's own limits are 30 s and 2 GB.
MOST_SECONDS = 15.0
MOST_BYTES = 1024**3

ROOT = str(CHECKOUT)

_HEADER = Header(patient_id="P-1", study_instance_uid="2.25.1")


@dataclass(frozen=True)
class Cost:
    """The cost of a file: CPU time, and growth of the peak memory."""

    seconds: float
    grown_bytes: int


class TooMuchError(Exception):
    """A file took more time or memory than allowed."""


def process(kind: str, data: bytes) -> Cost:
    """Process a file as one that has just arrived. Raises unexpected errors, and TooMuchError."""
    started, before = time.process_time(), _peak()
    _TARGETS[kind](data)
    cost = Cost(time.process_time() - started, _peak() - before)
    if cost.seconds > MOST_SECONDS or cost.grown_bytes > MOST_BYTES:
        raise TooMuchError(f"{cost.seconds:.1f} s, {cost.grown_bytes / 1e6:.0f} MB")
    return cost


def _image(data: bytes) -> None:
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        checked = image_file.check(data, _HEADER, sha256)
    except images.ImageError:
        return
    stored = checked.wrapped or data
    # The worker must be able to read whatever is accepted.
    images.read(stored)
    for use in (images.read_stored, images.read_overlay, images.pixel_shape):
        _use(use, stored)


def _use(use: Callable[[bytes], Any], stored: bytes) -> None:
    try:
        use(stored)
    except images.ImageError:
        return


def _archive(data: bytes) -> None:
    try:
        for entry in archive.entries(io.BytesIO(data), 10_000_000):
            assert len(entry.data) <= 10_000_000
            entry.name.encode()
    except RefusedError:
        return


def _sheet(data: bytes) -> None:
    checked = sheet.parse(data)
    assert checked.lines or checked.names
    for line in checked.bad_lines:
        assert all(str(problem) for problem in line.problems)


def _body(data: bytes) -> None:
    context: dict[str, Any] = {
        "request": _Request(),
    }
    try:
        parsed = MultiPartParser().parse(
            io.BytesIO(data), f"multipart/form-data; boundary={BOUNDARY}", context
        )
    except APIException:
        return
    assert len(parsed.files) + len(parsed.data) < 1000


class _Request:
    """The attributes of a request that the parser needs."""

    def __init__(self) -> None:
        from django.http import HttpRequest

        self._request = HttpRequest()
        self.META = {
            "CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY}",
            "CONTENT_LENGTH": "1",
        }
        self.upload_handlers = [MemoryFileUploadHandler(self._request)]


_TARGETS: dict[str, Callable[[bytes], None]] = {
    "jpeg": _image,
    "png": _image,
    "dicom": _image,
    "zip": _archive,
    "csv": _sheet,
    "multipart": _body,
}


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def place_of(error: Exception) -> str:
    """The type of an error, and the last line of our code in its traceback; never its message."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if ".venv" not in each.filename and ROOT in each.filename]
    last = (ours or frames)[-1]
    words = f" ({error})" if isinstance(error, TooMuchError) else ""
    return f"{type(error).__name__}{words} at {Path(last.filename).name}:{last.lineno}"
