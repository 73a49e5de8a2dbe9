"""Refusals of drafts and signatures, as readers see them."""

from http import HTTPStatus

from webportal.refusals import Refusal

# A failed authentication is 403, an invalid read 400; the rest are conflicts with concurrent
# changes.
_STATUS = {
    "wrong_password": HTTPStatus.FORBIDDEN,
    "directory_unreachable": HTTPStatus.SERVICE_UNAVAILABLE,
    "incomplete": HTTPStatus.BAD_REQUEST,
    "reason_missing": HTTPStatus.BAD_REQUEST,
    "not_fitting": HTTPStatus.BAD_REQUEST,
    "unknown_value": HTTPStatus.BAD_REQUEST,
    "wrong_mark": HTTPStatus.BAD_REQUEST,
    "wrong_measurement": HTTPStatus.BAD_REQUEST,
    "not_own_read": HTTPStatus.FORBIDDEN,
}


class ReadingError(Refusal):
    """A draft or signature was refused."""

    def __init__(self, code: str, message: str, retry_seconds: int | None = None) -> None:
        super().__init__(code, message)
        self.retry_seconds = retry_seconds
        self.status = _STATUS.get(code, HTTPStatus.CONFLICT)
