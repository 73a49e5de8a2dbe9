"""Admission of uploads and other large request bodies, decided before any of it is read."""

import errno
import hashlib
import shutil
import uuid
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from math import inf
from time import monotonic
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.contrib.auth import get_user
from django.core.handlers.wsgi import WSGIRequest, get_path_info
from django.db import InterfaceError, OperationalError, close_old_connections
from django.http import HttpResponse, JsonResponse
from django.urls import Resolver404, resolve
from django.utils import translation
from django.utils.translation import gettext as _
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from webportal.accounts.models import ApiToken, User
from webportal.accounts.roles import UPLOADERS
from webportal.accounts.sessions import SessionStore
from webportal.api.authentication import BearerAuthentication
from webportal.api.problems import problem_json
from webportal.api.uploads import REQUEST_OVERHEAD
from webportal.intake import blobs
from webportal.intake.errors import StorageFullError, StorageReadOnlyError
from webportal.intake.pipeline import turns
from webportal.intake.pipeline.receive import too_large
from webportal.programs import is_for_programs
from webportal.refusals import Refusal
from webportal.site.language import language_of
from webportal.storage import free_bytes

Environ = dict[str, Any]
# Allowed for anonymous clients: the sign-in form is far smaller.
OPEN_BYTES = 64 * 1024
# Allowed for signed-in users outside uploads: a CSV sheet.
LARGEST_FORM_BYTES = 16 * 1024**2
_UPLOADS = ("intake:upload", "api:batch-files", "dicomweb:studies", "dicomweb:study")
_IN_CHUNKS = "/dicom-web/"
_RETRY_SECONDS = 5
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# For how many seconds a valid token is not looked up again, and how many are remembered.
_KNOWN_SECONDS = 5
_MOST_KNOWN = 1000
# By the digest of the header: the time of the lookup, and the token's user.
_known: dict[bytes, tuple[float, User]] = {}


class BodyRefused(Refusal):
    """The body is not accepted."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status


class TooManyUploadsError(Refusal):
    """The user has reached the limit of simultaneous uploads; retrying a little later works."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    retry_seconds = _RETRY_SECONDS

    def __init__(self) -> None:
        super().__init__(
            "too_many_uploads",
            _(
                "You already have as many uploads running as one person may have. Send this one"
                " again when another has finished."
            ),
        )


class DatabaseAwayError(Refusal):
    """The sender cannot be looked up at present."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_seconds = _RETRY_SECONDS

    def __init__(self) -> None:
        super().__init__(
            "service_unavailable",
            _("The database is not responding. Nothing was stored; send it again in a moment."),
        )


def is_upload(environ: Environ) -> bool:
    """Whether the request uploads a file."""
    if environ["REQUEST_METHOD"] != "POST":
        return False
    return _takes_files(get_path_info(environ))


@lru_cache(maxsize=1000)
def _takes_files(path: str) -> bool:
    """Whether files are uploaded to the path; scripts send one file after the other to the same."""
    try:
        return resolve(path).view_name in _UPLOADS
    except Resolver404:
        return False


def may_come_in_chunks(environ: Environ) -> bool:
    """Whether a file may be sent without a length: DICOMweb clients often cannot state it."""
    return get_path_info(environ).startswith(_IN_CHUNKS)


def room(announced: int, to_come: int) -> int:
    """How many bytes of a body without a stated length may arrive.

    At most half of what is free beside the uploads in progress (see `check_space`), because that
    much is reserved for it until it has arrived.
    """
    free = shutil.disk_usage(settings.UPLOAD_TEMP_DIR).free - to_come
    if (stored := free_bytes()) is not None:
        # As `blobs.check_space` counts: a file may be kept twice.
        free = min(free, (stored - settings.UPLOAD_MIN_FREE_BYTES) // 2 - announced)
    return max(0, min(largest_body(), free // 2))


def largest_body() -> int:
    """The largest body of an upload, in bytes."""
    largest: int = max(settings.UPLOAD_MAX_BYTES, settings.UPLOAD_MAX_ARCHIVE_BYTES)
    return largest + REQUEST_OVERHEAD


def admit(environ: Environ) -> uuid.UUID | None:
    """Return the user who may send a large body, None if there is none.

    Django then responds without the body, so that it alone decides how, and what is recorded. The
    view repeats all checks and more; this one only reserves the disk for those who may upload.
    Raises a Refusal if the user may send it, but not now.
    """
    try:
        close_old_connections()
        return _admit(environ)
    except (InterfaceError, OperationalError):
        raise DatabaseAwayError from None
    finally:
        close_old_connections()


def _admit(environ: Environ) -> uuid.UUID | None:
    request = _request(environ)
    with translation.override(language_of(request)):
        user = _user(request)
        if user is None:
            return None
        if not is_upload(environ):
            return user.pk
        if not user.has_role(*UPLOADERS):
            return None
        if unquote(request.headers.get("X-File-Path", "")).lower().endswith(".zip"):
            turns.refuse_if_no_turn(user)
        return user.pk


def check_space(environ: Environ, announced: int, to_come: int) -> None:
    """Raise StorageRefusesError if the disks have too little space for the uploads in progress.

    `announced` is the number of bytes that all of them have announced, this one included;
    `to_come` is how many of these have not arrived yet.
    """
    with translation.override(language_of(_request(environ))):
        blobs.check_space(announced)
        if shutil.disk_usage(settings.UPLOAD_TEMP_DIR).free < to_come:
            raise StorageFullError


def cannot_keep(error: OSError) -> Refusal:
    """Return the refusal of a body that cannot be written to UPLOAD_TEMP_DIR."""
    return StorageFullError() if error.errno in _FULL else StorageReadOnlyError()


def body_too_large(environ: Environ, limit: int) -> Refusal:
    """Return the refusal of a body that exceeds its limit."""
    if is_upload(environ):
        if limit < largest_body():
            return StorageFullError()
        reason = too_large(limit - REQUEST_OVERHEAD)
        return BodyRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason.code, reason.message)
    if limit == OPEN_BYTES:
        message = _(
            "A request that does not state its length (Content-Length) may have at most {kilobytes}"
            " KB. Send the length to send more."
        ).format(kilobytes=limit // 1024)
    else:
        message = _("A request other than a file upload may have at most {megabytes} MB.").format(
            megabytes=limit // 1024**2
        )
    return BodyRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", message)


def no_length() -> BodyRefused:
    """Return the refusal of an upload without a Content-Length."""
    message = _("The request does not state its length (Content-Length).")
    return BodyRefused(HTTPStatus.LENGTH_REQUIRED, "no_length", message)


def stalled() -> BodyRefused:
    """Return the refusal of a body that stopped arriving."""
    message = _("The connection broke before the whole file had arrived. Send it again.")
    return BodyRefused(HTTPStatus.REQUEST_TIMEOUT, "interrupted", message)


def refusal_response(environ: Environ, refuse: Callable[[], Refusal]) -> HttpResponse:
    """Return a refusal as the page's scripts or API clients expect it, in their language."""
    request = _request(environ)
    with translation.override(language_of(request)):
        refusal = refuse()
        if is_for_programs(request.path_info):
            response = problem_json(refusal.status, refusal.message, refusal.code)
        else:
            answer = {"code": refusal.code, "message": refusal.message}
            response = JsonResponse(answer, status=refusal.status)
    if refusal.retry_seconds:
        response.headers["Retry-After"] = str(refusal.retry_seconds)
    response.headers["Cache-Control"] = "no-store, private"
    return response


def _request(environ: Environ) -> WSGIRequest:
    """The request without its body."""
    return WSGIRequest({**environ, "wsgi.input": BytesIO()})


def _user(request: WSGIRequest) -> User | None:
    try:
        user = _user_of_token(request)
    except AuthenticationFailed:
        return None
    if user is not None:
        return user
    request.session = SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    signed_in = get_user(request)
    return signed_in if isinstance(signed_in, User) else None


def _user_of_token(request: WSGIRequest) -> User | None:
    """The user of the request's token, None without one; raises AuthenticationFailed.

    Remembered for some seconds, because scripts send one file after the other. A token that was
    revoked meanwhile is still refused by the view, which looks up each one.
    """
    digest = hashlib.sha256(request.headers.get("Authorization", "").encode()).digest()
    looked_up_at, user = _known.get(digest, (-inf, None))
    if user is not None and monotonic() - looked_up_at < _KNOWN_SECONDS:
        return user
    found: tuple[User, ApiToken] | None = BearerAuthentication().authenticate(Request(request))
    if found is None:
        return None
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[digest] = monotonic(), found[0]
    return found[0]
