"""The contents of a backup: its manifest, written last; without it there is no backup.

It contains no patient data: only file names, checksums and sizes. It is not encrypted, so that a
machine without the identity can continue and verify backups, but it carries a MAC under the key of
the audit trail. Since encrypting needs no secret, only that MAC proves that a backup is genuine.
"""

import gzip
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from webportal.audit.epochs import current_key
from webportal.audit.keyring import configured, keyed_hash, signer_of
from webportal.backups.errors import BackupError

FORMAT = 1


@dataclass(frozen=True)
class Stored:
    """The SHA-256 of a content, and the SHA-256 and size of the encrypted object that holds it."""

    sha256: str
    object_sha256: str
    object_bytes: int

    def as_list(self) -> list[Any]:
        """The compact form used in the manifest, which has many thousands of these."""
        return [self.sha256, self.object_sha256, self.object_bytes]


@dataclass
class Manifest:
    """All parts of one backup.

    Args:
        name: the name of the backup, which is the time at which it was begun.
        chestline: the release that made it.
        migrations: those applied to the database, as `app.name`.
        chain: sequence and MAC of the last entry of the audit trail.
        database: the dump.
        anchors: the anchors of the audit trail, None if there are none.
        files: the stored files that the database refers to, by key.
        inbox: the files of the DICOM inbox, by name.
        lost: the keys of files that were missing or damaged, and are in no backup.
        key_id: the key of the audit trail that verified it; empty for a new one.
    """

    name: str
    chestline: str
    migrations: list[str]
    chain: tuple[int, str]
    database: Stored
    anchors: Stored | None
    files: dict[str, Stored] = field(default_factory=dict)
    inbox: dict[str, Stored] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    key_id: str = ""

    @property
    def signed(self) -> str:
        """The key that signed it, and what that proves if it is an earlier one."""
        if self.key_id == configured().id:
            return f"signed with the key {self.key_id}"
        return (
            f"signed with the key {self.key_id}, which is not AUDIT_KEY: if others know it, they"
            " can have made or altered this backup"
        )

    @property
    def object_bytes(self) -> int:
        """The size of its objects in the repository, including those shared with other backups."""
        return sum(stored.object_bytes for _, stored in self.objects())

    def objects(self) -> list[tuple[str, Stored]]:
        """Every object of the repository that belongs to the backup, by name."""
        own = [(database_name(self.name), self.database)]
        if self.anchors is not None:
            own.append((anchors_name(self.name), self.anchors))
        own += [(inbox_name(name), stored) for name, stored in self.inbox.items()]
        return own + [(file_name(key), stored) for key, stored in self.files.items()]


def manifest_name(backup: str) -> str:
    """The object name of a backup's manifest."""
    return f"backups/{backup}.json.gz"


def database_name(backup: str) -> str:
    """The object name of a backup's dump."""
    return f"databases/{backup}.dump.age"


def anchors_name(backup: str) -> str:
    """The object name of a backup's anchors."""
    return f"anchors/{backup}.age"


def file_name(key: str) -> str:
    """The object name of a stored file, for all backups that contain it."""
    return f"files/{key}.age"


def inbox_name(name: str) -> str:
    """The object name of a file of the DICOM inbox, for all backups that contain it."""
    return f"inbox/{name}.age"


def write(manifest: Manifest) -> bytes:
    """The manifest as bytes: a line with its MAC, then JSON, compressed."""
    content = asdict(manifest) | {
        "format": FORMAT,
        "database": manifest.database.as_list(),
        "anchors": manifest.anchors and manifest.anchors.as_list(),
        "files": {key: stored.as_list() for key, stored in manifest.files.items()},
        "inbox": {name: stored.as_list() for name, stored in manifest.inbox.items()},
    }
    del content["key_id"]
    text = json.dumps(content, separators=(",", ":")).encode()
    mac = keyed_hash("backup", text, current_key())
    return gzip.compress(mac.encode() + b"\n" + text, mtime=0)


def read(data: bytes) -> Manifest:
    """Parse a manifest.

    Raises BackupError if it is damaged, signed with none of our keys, or in a newer format.
    """
    try:
        mac, _, text = gzip.decompress(data).partition(b"\n")
    except (OSError, EOFError) as error:
        raise BackupError("manifest", "The manifest of the backup is damaged.") from error
    key = signer_of("backup", text, mac.decode(errors="replace"))
    if key is None:
        raise BackupError(
            "other_system",
            "The backup was made with another AUDIT_KEY, or its manifest was altered. Set"
            " AUDIT_KEY and AUDIT_OLD_KEYS to those of the system that was backed up, or use"
            " another repository.",
        )
    content: dict[str, Any] = json.loads(text)
    if content.pop("format") != FORMAT:
        raise BackupError(
            "newer_release",
            f"The backup was made by Chestline {content['chestline']}, whose format this release"
            " does not know. Install that release.",
        )
    content["chain"] = tuple(content["chain"])
    content["database"] = Stored(*content["database"])
    content["anchors"] = content["anchors"] and Stored(*content["anchors"])
    for part in ("files", "inbox"):
        content[part] = {key: Stored(*stored) for key, stored in content.get(part, {}).items()}
    return Manifest(**content, key_id=key.id)
