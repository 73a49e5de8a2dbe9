"""The nodes from which earlier studies are fetched."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database.clock import clock
from webportal.network.models import Node, PriorSource, PriorStudy
from webportal.network.nodes import NodeError
from webportal.network.priors.arrivals import mark_unwanted

FIELDS = ("is_active", "protocol", "issuer", "most_studies", "years")


def source_of(node: Node) -> PriorSource:
    """The settings of a node; if it has none, an unsaved source that is switched off."""
    return PriorSource.objects.filter(node=node).first() or PriorSource(node=node)


@transaction.atomic
def change_source(node: Node, values: dict[str, Any], by: User) -> PriorSource:
    """Change the `FIELDS` of a node's source. Raises NodeError if the node cannot be called."""
    locked = Node.objects.select_for_update().get(pk=node.pk)
    if values["is_active"] and not (locked.host and locked.port):
        raise NodeError(_("Give a single address and the port on which the node listens."))
    source = source_of(locked)
    before = {name: getattr(source, name) for name in FIELDS}
    changed = {
        name: {"from": before[name], "to": values[name]}
        for name in FIELDS
        if values[name] != before[name]
    }
    if not changed:
        return source
    for name in FIELDS:
        setattr(source, name, values[name])
    if "is_active" in changed:
        source.active_since = clock() if source.is_active else None
    source.save()
    if not source.is_active:
        mark_unwanted(PriorStudy.objects.filter(request__node=node))
    append(Event(Action.NODE_CHANGED, "node", node.pk, detail={"priors": changed}), by)
    return source
