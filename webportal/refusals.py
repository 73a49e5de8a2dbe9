"""Refusals: a service declines a request, with a message for people and a code for programs."""

from http import HTTPStatus


class Refusal(Exception):
    """Base of what pages show as a message and the API returns as a problem.

    `code` is a stable code for programs, `message` tells a person what to do, and `status` is the
    API's status. A message may contain patient data (a date that contradicts another), so it is
    shown and never logged; the code never does. `retry_seconds` is set if the same request may
    succeed later.
    """

    status: HTTPStatus = HTTPStatus.CONFLICT
    retry_seconds: int | None = None

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class Conflict(Refusal):
    """A refusal without a code of its own for programs: the current state does not allow it."""

    code = "conflict"

    def __init__(self, message: str) -> None:
        super().__init__(self.code, message)
