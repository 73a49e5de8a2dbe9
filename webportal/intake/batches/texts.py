"""Texts that the browser shows while it sends files; it fills in `{0}` and so on."""

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webportal.intake.batches.summary import BatchSummary
from webportal.intake.models import Verdict


def arrived(summary: BatchSummary) -> str:
    """How many files of an upload have arrived, or "" if none is expected yet."""
    if not summary.awaited:
        return ""
    if not summary.is_incomplete:
        return _("All {0} files have arrived").format(intcomma(summary.received))
    received, expected = intcomma(summary.received), intcomma(summary.expected)
    return _("{0} of {1} files have arrived").format(received, expected)


def uploader() -> dict[str, str]:
    """Return each text by its name in webportal/frontend/src/upload.ts."""
    return {
        "looking": _("Scanning the folder: {0} files"),
        "comparing": _("Checking which files have already arrived: {0} of {1}"),
        "progress": _("{0} of {1} files have arrived"),
        "allArrived": _("All {0} files have arrived"),
        "failedCount": _("{0} could not be sent"),
        "rate": _("{0} a second"),
        "byte": _bytes(1),
        "bytes": _bytes(2),
        "secondsLeft": _("less than a minute left"),
        "minutesLeft": _("about {0} min left"),
        "hoursLeft": _("about {0} h {1} min left"),
        "pause": _("Pause"),
        "resume": _("Resume"),
        "paused": _("Paused"),
        "waiting": _("Waiting"),
        "sending": _("{0} %"),
        "checking": _("Being checked"),
        "again": _("Retrying…"),
        "notSent": _("Not sent"),
        "tooLarge": _("The file is larger than {0} MB, the limit for one file. It was not sent."),
        "unreadable": _(
            "The file can no longer be read: it was changed, moved or removed. Choose its folder"
            " again."
        ),
        "signedOut": _(
            "You are signed out, or may not upload. Sign in in another tab, then send these files"
            " again: nothing is stored twice."
        ),
        "serverError": _("The server answered with error {0}. Send these files again in a while."),
        "retry": _("Send these again"),
        "more": _("and {0} more"),
        "nothingFound": _("Your selection contains no files."),
        "archive": _("Unpacked: {0} files"),
        **{verdict.value: str(verdict.label) for verdict in Verdict},
    }


def _bytes(count: int) -> str:
    """Sizes below 1 KB as formatted by Django's `filesizeformat`, for one or several bytes."""
    return ngettext("%(size)d byte", "%(size)d bytes", count).replace("%(size)d", "{0}")
