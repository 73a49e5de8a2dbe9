"""What a response shows: views report it while building the response, the middleware logs it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from django.http import HttpRequest


class _Study(Protocol):
    pk: Any
    patient_id: Any


@dataclass
class Shown:
    """The ids of everything that one response shows, each once and in order."""

    is_reported: bool = False
    studies: dict[UUID, None] = field(default_factory=dict)
    patients: dict[UUID, None] = field(default_factory=dict)
    files: dict[UUID, None] = field(default_factory=dict)
    criteria: dict[str, Any] = field(default_factory=dict)
    tried: str = ""

    @property
    def names_somebody(self) -> bool:
        """Whether a patient's data are shown."""
        return bool(self.studies or self.patients or self.files)


def shown_in(request: HttpRequest) -> Shown:
    """What the response to this request is known to show so far."""
    found: Shown | None = getattr(request, "shown", None)
    if found is None:
        # Without the middleware, as in a test of a single view.
        found = Shown()
        request.shown = found  # type: ignore[attr-defined]
    return found


def show(
    request: HttpRequest,
    *studies: _Study,
    study_ids: Iterable[UUID] = (),
    patient_ids: Iterable[UUID] = (),
    file_ids: Iterable[UUID] = (),
    **criteria: Any,
) -> None:
    """Report what the response shows: all rows of a list, or nothing if it is empty.

    `file_ids` are uploaded files that are not images of a study. `criteria` are the search
    criteria, unless the URL contains them; they may be patient data.
    """
    shown = shown_in(request)
    shown.is_reported = True
    for study in studies:
        shown.studies[study.pk] = None
        shown.patients[study.patient_id] = None
    shown.studies |= dict.fromkeys(study_ids)
    shown.patients |= dict.fromkeys(patient_ids)
    shown.files |= dict.fromkeys(file_ids)
    shown.criteria |= {name: value for name, value in criteria.items() if value}


def sign_in_tried(request: HttpRequest | None, name: str) -> None:
    """Report a failed sign-in; `name` is the user name if it exists, else 'unknown'."""
    if request is not None:
        shown_in(request).tried = name
