"""C-ECHO: testing the connection to a node."""

from django.conf import settings
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.network.calling import own_entity
from webportal.network.models import Node
from webportal.network.sop_classes import VERIFICATION

_PATIENCE_SECONDS = 5


def echo(node: Node, by: User) -> tuple[bool, str]:
    """Send a C-ECHO to a node; return whether it succeeded, and a message."""
    if not node.host or node.port is None:
        return False, _("Give a single address and the port on which the node listens.")
    entity = own_entity()
    entity.acse_timeout = entity.dimse_timeout = _PATIENCE_SECONDS
    entity.connection_timeout = entity.network_timeout = _PATIENCE_SECONDS
    entity.add_requested_context(VERIFICATION)
    association = entity.associate(node.host, node.port, ae_title=node.ae_title)
    answered, words = False, ""
    if association.is_established:
        status = association.send_c_echo()
        association.release()
        answered = bool(status) and status.Status == 0
        words = (
            _("It answered.")
            if answered
            else _("It accepted the association but did not answer the C-ECHO.")
        )
    elif association.is_rejected:
        words = _(
            "It rejected the association. Add Chestline's AE title {title} and address there."
        ).format(title=settings.DICOM_AE_TITLE)
    else:
        words = _("Nothing responds at {host}, port {port}.").format(host=node.host, port=node.port)
    append(Event(Action.NODE_TESTED, "node", node.pk, detail={"answered": answered}), by)
    return answered, words
