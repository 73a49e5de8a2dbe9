"""What a reader is told when something cannot be kept or signed."""


class ReadingError(Exception):
    """A refusal: `code` is a stable word for programs, `message` tells a person what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message
