"""Texts of notifications, on the page and by e-mail: no patient data.

The e-mail repeats the sentence on the page unless the kind has an e-mail text of its own.
"""

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webportal.accounts.models import RequestOutcome
from webportal.notifications.alerts import ALERTS
from webportal.notifications.models import Notification
from webportal.records.choices import Category


def batch_done(notification: Notification) -> str:
    """Name the upload: only its uploader sees this."""
    return _("The upload “%(name)s” has finished") % {"name": notification.batch}


def mail_of_batch_done(_notification: Notification) -> tuple[str, str]:
    """Do not name the upload: its name may be a patient's."""
    return (
        _("Chestline: your upload has finished"),
        _("All images of one of your uploads have been analysed."),
    )


def stat_unread(notification: Notification) -> str:
    """How many are waiting, and their result if the recipient may know it."""
    if notification.category == Category.LIKELY:
        sentence = ngettext(
            "%(shown)s stat study with a likely result has waited unread for longer than"
            " %(minutes)s minutes",
            "%(shown)s stat studies with a likely result have waited unread for longer than"
            " %(minutes)s minutes",
            notification.studies,
        )
    else:
        sentence = ngettext(
            "%(shown)s stat study has waited unread for longer than %(minutes)s minutes",
            "%(shown)s stat studies have waited unread for longer than %(minutes)s minutes",
            notification.studies,
        )
    return sentence % {
        "shown": intcomma(notification.studies),
        "minutes": settings.STAT_UNREAD_MINUTES,
    }


def mail_of_stat_unread(notification: Notification) -> tuple[str, str]:
    """How many are waiting. E-mail leaves the hospital: never mention the result."""
    figures = {"studies": notification.studies, "minutes": settings.STAT_UNREAD_MINUTES}
    subject = ngettext(
        "Chestline: %(studies)d stat study waits unread",
        "Chestline: %(studies)d stat studies wait unread",
        notification.studies,
    )
    text = ngettext(
        "%(studies)d stat study has been waiting unread for longer than %(minutes)d minutes.",
        "%(studies)d stat studies have been waiting unread for longer than %(minutes)d minutes.",
        notification.studies,
    )
    return subject % figures, text % figures


def studies_assigned(notification: Notification) -> str:
    """How many were assigned."""
    sentence = ngettext(
        "%(studies)d study was assigned to you",
        "%(studies)d studies were assigned to you",
        notification.studies,
    )
    return sentence % {"studies": notification.studies}


def studies_signed(notification: Notification) -> str:
    """How many were signed."""
    sentence = ngettext(
        "%(studies)d study that you uploaded has been signed",
        "%(studies)d studies that you uploaded have been signed",
        notification.studies,
    )
    return sentence % {"studies": notification.studies}


def reports_ready(notification: Notification) -> str:
    """How many are new, or have an amendment or an addendum."""
    sentence = ngettext(
        "%(studies)d report on a patient whom you referred is new or has changed",
        "%(studies)d reports on patients whom you referred are new or have changed",
        notification.studies,
    )
    return sentence % {"studies": notification.studies}


def read_overruled(_notification: Notification) -> str:
    """Name no patient: the study page does."""
    return _("An arbitration overruled your read of a study")


def identity_corrected(_notification: Notification) -> str:
    """Name no patient: the study page does."""
    return _("The identity under which you signed a read was corrected")


def password_reset(_notification: Notification) -> str:
    """What happened, and what to do if it was not asked for."""
    return _(
        "Hospital IT gave you a one-time password; if you did not ask for it, tell the security"
        " officer"
    )


def factor_added(_notification: Notification) -> str:
    """What happened, and what to do if somebody else did it."""
    return _(
        "A second factor was added to your account; if it was not you, remove it and change your"
        " password"
    )


def factor_removed(_notification: Notification) -> str:
    """What happened, and what to do if somebody else did it."""
    return _("One of your second factors was removed; if it was not you, change your password")


def factor_reset(_notification: Notification) -> str:
    """What happened, and what to do if it was not asked for."""
    return _(
        "Hospital IT reset your second factor; if you did not ask for it, tell the security officer"
    )


def emergency(notification: Notification) -> str:
    """Who, and not whom: the auditor's page names the patient."""
    assert notification.emergency is not None, "the database refuses one without its access"
    words = _("{person} has opened a patient of another department by emergency access")
    return words.format(person=notification.emergency.person)


def emergency_overdue(notification: Notification) -> str:
    """Name the user, not the patient, whom the auditor's page names."""
    assert notification.emergency is not None, "the database refuses one without its access"
    words = _("The review of an emergency access by {person} is overdue")
    return words.format(person=notification.emergency.person)


def roles_requested(notification: Notification) -> str:
    """Name the user whose roles the recipient has to approve."""
    assert notification.role_request is not None, "the database refuses one without its request"
    words = _("Roles of {person} wait for your approval")
    return words.format(person=notification.role_request.user)


def roles_decided(notification: Notification) -> str:
    """What became of the roles that the recipient gave."""
    assert notification.role_request is not None, "the database refuses one without its request"
    request = notification.role_request
    sentences: dict[str, str] = {
        RequestOutcome.APPROVED: _("The roles that you gave {person} were approved"),
        RequestOutcome.REJECTED: _("The roles that you gave {person} were rejected"),
    }
    # Replaced by a colleague's request, or the account was deactivated.
    otherwise = _("The roles that you gave {person} were withdrawn by a colleague")
    return sentences.get(request.outcome, otherwise).format(person=request.user)


def system_alert(notification: Notification) -> str:
    """What is wrong; an alert unknown to this version is named by its code."""
    assert notification.alert is not None, "the database refuses one without its alert"
    alert = ALERTS.get(notification.alert.code)
    return str(alert) if alert else notification.alert.code
