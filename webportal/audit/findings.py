"""Findings of a verification, stored as codes so that users see them in their language."""

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from webportal.audit.messages import OBJECTS, PROBLEMS, REMARKS

MOST = 100


@dataclass(frozen=True)
class Finding:
    """A problem: its location, and its code in PROBLEMS or REMARKS.

    `sequence` is that of an entry; 0 if it concerns an object, an anchor or the chain's head.
    """

    code: str
    sequence: int = 0
    object_type: str = ""
    object_id: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def problem(self) -> str:
        """The problem in plain words."""
        return str((PROBLEMS | REMARKS)[self.code]).format(**self.values)

    def __str__(self) -> str:
        if self.object_id:
            kind = OBJECTS.get(self.object_type, self.object_type)
            return _("{kind} {id}: {problem}").format(
                kind=kind, id=self.object_id, problem=self.problem
            )
        if self.sequence:
            return _("entry {number}: {problem}").format(number=self.sequence, problem=self.problem)
        return self.problem

    def as_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` takes."""
        return {name: value for name, value in vars(self).items() if value}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> "Finding":
        """The finding from its `as_json` form."""
        return cls(**given)


@dataclass(frozen=True)
class TrailVerdict:
    """Result of a verification: `findings` is empty when the trail is intact."""

    entries: int
    anchors: int
    findings: list[Finding]
    remarks: list[Finding] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.findings
