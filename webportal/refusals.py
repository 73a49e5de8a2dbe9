"""Refusals: what a service does not do, in words for people and in a word for programs."""

from http import HTTPStatus


class Refusal(Exception):
    """Base of what pages show as a message and the API answers as a problem.

    `code` is a stable word for programs, `message` tells a person what to do, and `status` is the
    API's answer. A message may hold patient data (a date that contradicts another), so it is shown
    and never logged; the code never does. `retry_seconds` is set where the same request may do
    later.
    """

    status: HTTPStatus = HTTPStatus.CONFLICT
    retry_seconds: int | None = None

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class Conflict(Refusal):
    """A refusal that programs need not tell from others: the state of things does not allow it."""

    code = "conflict"

    def __init__(self, message: str) -> None:
        super().__init__(self.code, message)
