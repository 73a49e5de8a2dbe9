"""Errors of intake: `code` for programs, `message` for people, with what to do."""

from http import HTTPStatus
from typing import Any

from django.utils.translation import gettext as _

from webportal.reasons import Reason
from webportal.refusals import Refusal


class IntakeError(Refusal):
    """Base of the reasons; neither code nor message ever quotes the file."""


class ReasonedError(IntakeError):
    """An error whose reason is stored with the file; see `webportal.intake.reasons`."""

    def __init__(self, code: str, **params: Any) -> None:
        self.reason = Reason(code, params)
        super().__init__(code, str(self.reason))


class RefusedError(ReasonedError):
    """The file is refused; nothing of it is stored."""


class PatientDoubtError(ReasonedError):
    """It is uncertain whose image this is; the file is held until a person has decided."""


class StorageRefusesError(IntakeError):
    """Nothing can currently be stored, whatever the file; sending again later works."""

    status = HTTPStatus.INSUFFICIENT_STORAGE


class StorageReadOnlyError(StorageRefusesError):
    """The storage is read-only: a failed disk, or a share mounted read-only."""

    def __init__(self) -> None:
        super().__init__(
            "storage_read_only",
            _(
                "The server cannot store images at present; reading continues. Nothing is "
                "lost: tell hospital IT that the storage is read-only, and send the rest "
                "again afterwards."
            ),
        )


class StorageNotOursError(StorageRefusesError):
    """The storage holds none of the files on record, as where a volume is not mounted."""

    def __init__(self) -> None:
        super().__init__(
            "storage_away",
            _(
                "The server cannot reach its storage at present. Nothing is lost: tell hospital IT"
                " to check that the storage's volume is mounted, and send the rest again"
                " afterwards."
            ),
        )


class StorageFullError(StorageRefusesError):
    """The disk is too full. Nothing was stored."""

    def __init__(self) -> None:
        super().__init__(
            "disk_nearly_full",
            _(
                "The server has too little space left to store more images. Nothing is lost: tell"
                " hospital IT, and send the rest again when there is space."
            ),
        )


class NotHeldError(IntakeError):
    """A decision on a file that is not held, or no longer held."""

    def __init__(self) -> None:
        super().__init__("not_held", _("This file was decided on already."))
