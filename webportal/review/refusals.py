"""Refusals of drafts and signatures, as readers see them."""


class ReadingError(Exception):
    """A refusal: `code` is a stable word for programs, `message` tells a person what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message
