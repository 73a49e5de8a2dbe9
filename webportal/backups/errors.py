"""Why a backup or a restoration cannot go on."""


class BackupError(Exception):
    """The message says what is wrong and what to do; the code is kept with the failed backup."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
