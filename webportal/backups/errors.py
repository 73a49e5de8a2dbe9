"""Errors that stop a backup or a restore."""


class BackupError(Exception):
    """The message says what is wrong and what to do; the code is stored with the failed backup."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
