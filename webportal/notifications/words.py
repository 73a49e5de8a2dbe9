"""Text of notifications, on the page and by e-mail: no patient data."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webportal.notifications.alerts import ALERTS
from webportal.notifications.models import Kind, Notification


def in_words(told: Notification) -> str:
    """The text of a notification, the same on the page and by e-mail."""
    figures = {"studies": told.studies}
    if told.kind == Kind.STUDIES_ASSIGNED:
        return (
            ngettext(
                "%(studies)d study was assigned to you",
                "%(studies)d studies were assigned to you",
                told.studies,
            )
            % figures
        )
    if told.kind == Kind.STUDIES_SIGNED:
        return (
            ngettext(
                "%(studies)d study that you uploaded has been signed",
                "%(studies)d studies that you uploaded have been signed",
                told.studies,
            )
            % figures
        )
    if told.kind == Kind.REPORTS_READY:
        return (
            ngettext(
                "%(studies)d report on a patient whom you referred is ready",
                "%(studies)d reports on patients whom you referred are ready",
                told.studies,
            )
            % figures
        )
    if told.kind == Kind.READ_OVERRULED:
        return _("An arbitration decided otherwise than your read of a study")
    if told.kind == Kind.IDENTITY_CORRECTED:
        return _("The identity under which you signed a read was corrected")
    if told.kind == Kind.PASSWORD_RESET:
        return _(
            "Hospital IT gave you a one-time password; if you did not ask for it, tell the security"
            " officer"
        )
    assert told.alert is not None
    alert = ALERTS.get(told.alert.code)
    return str(alert) if alert else told.alert.code
