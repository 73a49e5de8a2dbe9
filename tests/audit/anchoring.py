"""What the tests of anchors do to them, and what a verification then finds."""

from pathlib import Path

from django.utils import timezone

from tests.audit.test_verification import behind_its_back
from webportal.audit.models import AuditEntry
from webportal.audit.verification import verify


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines(keepends=True)


def codes() -> set[str]:
    return {finding.code for finding in verify().findings}


def cut_back(sequence: int) -> None:
    """Cut the trail off after an entry, as somebody with the database's owner rights would."""
    mac = AuditEntry.objects.get(sequence=sequence).mac if sequence else "0" * 64
    behind_its_back(f"DELETE FROM audit_auditentry WHERE sequence > {sequence}")
    behind_its_back(f"UPDATE audit_chainhead SET sequence = {sequence}, mac = '{mac}'")


def unsigned(file: Path, *sequences: int) -> None:
    macs = {entry.sequence: entry.mac for entry in AuditEntry.objects.all()}
    at = timezone.now().isoformat()
    file.write_text("".join(f"{number} {macs[number]} {at}\n" for number in sequences))
