"""Context processor for the navigation on every page."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.accounts import providers
from webportal.accounts.directory.passwords import is_of_directory
from webportal.accounts.models import Role, User
from webportal.accounts.passkeys import has_passkey
from webportal.accounts.roles import UPLOADERS
from webportal.accounts.second_factor import is_missing
from webportal.records.visibility import has_departments
from webportal.review.preferences import has_shortcuts
from webportal.site.lock import lock_seconds

#: Above this number the links of hospital IT and of auditors become menus: at 1280 pixels one row
#: has room for the links of each role, but not for those of all roles together.
MOST_LINKS = 9


@dataclass(frozen=True)
class Link:
    """An entry of the navigation, shown to users with one of the roles."""

    label: str | Promise
    view_name: str
    roles: tuple[Role, ...]
    needs_departments: bool = False
    menu: str | Promise = ""

    @property
    def address(self) -> str:
        """The URL of the page."""
        return reverse(self.view_name)


_IT = Role.IT.label
_AUDIT = _("Audit")
LINKS = [
    Link(_("Worklist"), "review:worklist", (Role.RADIOLOGIST,)),
    Link(_("Uploads"), "intake:batches", UPLOADERS),
    Link(_("Patients"), "records:patients", UPLOADERS),
    Link(_("Orders"), "orders:to-decide", UPLOADERS),
    Link(_("Reports"), "reports:list", (Role.REFERRER,)),
    Link(_("Research"), "research:exports", (Role.RESEARCHER,)),
    Link(_("Queue"), "operations:queue", (Role.IT,), menu=_IT),
    Link(_("Models"), "inference:models", (Role.RADIOLOGIST, Role.IT)),
    Link(_("Agreement"), "review:agreement", (Role.RADIOLOGIST, Role.IT, Role.AUDITOR)),
    Link(_("DICOM"), "network:network", (Role.IT,), menu=_IT),
    Link(_("HL7"), "orders:sources", (Role.IT,), menu=_IT),
    Link(_("Destinations"), "delivery:destinations", (Role.IT,), menu=_IT),
    Link(_("Users"), "accounts:users", (Role.IT,), menu=_IT),
    Link(_("Retention"), "retention:retention", (Role.IT,), menu=_IT),
    Link(_("Audit trail"), "audit:trail", (Role.AUDITOR,), menu=_AUDIT),
    Link(_("Access log"), "audit:accesses", (Role.AUDITOR,), menu=_AUDIT),
    Link(_("Emergency accesses"), "audit:emergencies", (Role.AUDITOR,), True, menu=_AUDIT),
]


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Give templates the links that this user may follow."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {"navigation": []}
    unlocking = {
        "lock_seconds": lock_seconds(),
        "has_password": cache(lambda: user.has_usable_password() or is_of_directory(user)),
        "has_passkey": cache(lambda: has_passkey(request, user)),
        "provider_name": providers.name(),
        "provider_address": providers.address(),
    }
    if user.must_change_password or is_missing(user):
        return {"navigation": [], **unlocking}
    links = _links_of(user)
    has_menus = len(links) > MOST_LINKS
    return {
        "navigation": [link for link in links if not (has_menus and link.menu)],
        "navigation_menus": _menus(links) if has_menus else {},
        **unlocking,
        "navigated_to": _link_of_page(links, request.path),
        "offers_signing_pin": settings.SIGNING_PIN_MINUTES > 0 and user.has_role(Role.RADIOLOGIST),
        # Only readers have pages with single-character shortcuts.
        "offers_shortcuts": user.has_role(Role.RADIOLOGIST),
        "has_departments": cache(has_departments),
        "has_shortcuts": cache(lambda: has_shortcuts(user)),
    }


def _links_of(user: User) -> list[Link]:
    links = [link for link in LINKS if user.has_role(*link.roles)]
    if any(link.needs_departments for link in links) and not has_departments():
        return [link for link in links if not link.needs_departments]
    return links


def _menus(links: list[Link]) -> dict[str | Promise, list[Link]]:
    """The links of each menu by its label."""
    labels = dict.fromkeys(link.menu for link in links if link.menu)
    return {label: [link for link in links if link.menu == label] for label in labels}


def _link_of_page(links: list[Link], path: str) -> Link | None:
    """The link below whose address the page is; of several, that with the longest address."""
    leading = [link for link in links if f"{path}/".startswith(f"{link.address.rstrip('/')}/")]
    return max(leading, key=lambda link: len(link.address), default=None)
