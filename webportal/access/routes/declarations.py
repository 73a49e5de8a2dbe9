"""How a route declares what it shows."""

from collections.abc import Mapping
from dataclasses import dataclass

from webportal.access.models import AccessKind


@dataclass(frozen=True)
class Declaration:
    """What a route shows.

    If `always` is set, a response without reported patients is withheld. `polled` routes are
    requested repeatedly by an open page: responses to such requests are logged only for patients
    that the same session has not just been shown.
    """

    kind: AccessKind
    always: bool = True
    polled: bool = False


#: Kinds that may concern a patient; the others concern what hospital IT and auditors administer.
OF_PATIENTS = frozenset(
    {
        AccessKind.LIST,
        AccessKind.PATIENT,
        AccessKind.STUDY,
        AccessKind.IMAGE,
        AccessKind.RESULT,
        AccessKind.REPORT,
        AccessKind.EXPORT,
        AccessKind.HELD_FILE,
        AccessKind.NOTIFICATION,
    }
)


class UndeclaredError(Exception):
    """A route without a declaration, or a response without the patients it shows."""


#: What the routes of a module show, by name. A kind stands for a Declaration of that kind alone;
#: None: the response never concerns a patient, nor data administered by hospital IT.
Declared = Mapping[str, Declaration | AccessKind | None]
