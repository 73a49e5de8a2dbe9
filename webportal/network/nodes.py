"""Adding and changing nodes, with their audit entries."""

from collections.abc import Collection

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from webportal.accounts import services as accounts
from webportal.accounts.departments import only_department
from webportal.accounts.models import Department, User
from webportal.addresses import is_among, read_addresses
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.network.models import LONGEST_AE_TITLE, Node
from webportal.orders.sources import change_worklist, create_worklist
from webportal.refusals import Conflict

_SAVED = [
    "description",
    "addresses",
    "port",
    "is_active",
    "department",
    "uses_tls",
    "certificate_name",
]


class NodeError(Conflict):
    """A node cannot be added or changed in this way; the message says why and what to do."""


def read_ae_title(text: str) -> str:
    """Return an AE title without its padding (VR AE, PS3.5 6.2). Raises NodeError."""
    title = text.strip(" ")
    if not title:
        raise NodeError(_("Enter the AE title as it is set on the device."))
    if len(title) > LONGEST_AE_TITLE:
        raise NodeError(_("An AE title has at most 16 characters."))
    if "\\" in title or not (title.isascii() and title.isprintable()):
        raise NodeError(
            _("An AE title may contain ASCII letters, digits and punctuation, but no backslash.")
        )
    return title


def may_call_from(node: Node, address: str) -> bool:
    """Whether the node may call from this address."""
    return is_among(address, node.addresses)


@transaction.atomic
def create_node(
    ae_title: str,
    description: str,
    addresses: Collection[str],
    port: int | None,
    by: User,
    department: Department | None = None,
    *,
    is_active: bool = True,
    is_worklist: bool = False,
    uses_tls: bool = False,
    certificate_name: str = "",
) -> Node:
    """Add a node with its account; `department` gets its studies, by default the only one.

    It may send if it is active; a worklist is queried for orders in any case. Raises NodeError, for
    example if the AE title is taken, SourceError and AddressError.
    """
    title, places = read_ae_title(ae_title), read_addresses(addresses)
    department = department or only_department()
    if department is None:
        raise NodeError(_("Choose the department to which the studies of this device belong."))
    try:
        with transaction.atomic():
            account = accounts.create_node_account(title, description, by)
            node = Node.objects.create(
                ae_title=title,
                description=description,
                addresses=places,
                port=port,
                department=department,
                is_active=is_active,
                uses_tls=uses_tls,
                certificate_name=certificate_name,
                account=account,
                created_by=by,
            )
    except IntegrityError:
        raise NodeError(
            _("There is already a node with this AE title, or one that differs only in case.")
        ) from None
    _set_worklist(node, is_worklist, by)
    append(Event(Action.NODE_CREATED, "node", node.pk, detail=_settings_of(node)), by)
    return node


@transaction.atomic
def change_node(
    node: Node,
    *,
    description: str,
    addresses: Collection[str],
    port: int | None,
    is_active: bool,
    is_worklist: bool,
    uses_tls: bool,
    certificate_name: str,
    by: User,
    department: Department | None = None,
) -> Node:
    """Change a node; its AE title stays, as does its department if none is given.

    Open associations continue, and open batches keep their department. Raises NodeError,
    SourceError and AddressError.
    """
    nodes = Node.objects.select_for_update(of=("self",)).select_related("order_source")
    locked = nodes.get(pk=node.pk)
    before = _settings_of(locked)
    locked.description, locked.addresses = description, read_addresses(addresses)
    locked.port, locked.is_active = port, is_active
    locked.uses_tls, locked.certificate_name = uses_tls, certificate_name
    locked.department = department or locked.department
    _set_worklist(locked, is_worklist, by)
    after = _settings_of(locked)
    if after == before:
        return locked
    locked.save(update_fields=_SAVED)
    accounts.describe_node_account(locked.account, locked.ae_title, description)
    detail = {
        name: {"from": before[name], "to": value}
        for name, value in after.items()
        if before[name] != value
    }
    append(Event(Action.NODE_CHANGED, "node", locked.pk, detail=detail), by)
    return locked


def _set_worklist(node: Node, is_worklist: bool, by: User) -> None:
    """Start or stop querying the node's worklist for orders. Raises NodeError and SourceError."""
    if is_worklist and not (node.host and node.port):
        raise NodeError(
            _("To query it for orders, give a single address and the port on which it listens.")
        )
    if node.order_source is not None:
        change_worklist(node.order_source, is_active=is_worklist, department=node.department, by=by)
    elif is_worklist:
        node.order_source = create_worklist(node.ae_title, node.account, node.department, by)
        node.save(update_fields=["order_source"])


def _settings_of(node: Node) -> dict[str, object]:
    return {
        "ae_title": node.ae_title,
        "description": node.description,
        "addresses": node.addresses,
        "port": node.port,
        "active": node.is_active,
        "department": str(node.department_id),
        "worklist": node.is_worklist,
        "tls": node.uses_tls,
        "certificate_name": node.certificate_name,
    }
