"""One file on its way through intake."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from webportal.accounts.models import User
from webportal.intake.errors import RefusedError
from webportal.intake.models import UploadBatch


@dataclass(frozen=True)
class Upload:
    """One file as received, with its batch and sender.

    `refusal` is set if it is refused without being read; `data` may then be empty.
    """

    batch: UploadBatch
    file_name: str
    by: User
    sha256: str
    size: int
    data: bytes = field(default=b"", repr=False)
    refusal: RefusedError | None = None

    @classmethod
    def of(
        cls,
        batch: UploadBatch,
        file_name: str,
        data: bytes,
        by: User,
        refusal: RefusedError | None = None,
    ) -> "Upload":
        """Return the upload of `data`."""
        return cls(batch, file_name, by, hashlib.sha256(data).hexdigest(), len(data), data, refusal)

    @property
    def key(self) -> dict[str, Any]:
        """The key of its item."""
        return {"batch": self.batch, "file_name": self.file_name, "sha256": self.sha256}
