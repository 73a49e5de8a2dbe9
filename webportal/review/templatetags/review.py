"""Template tags for reads, results, figures and times."""

from datetime import date, datetime

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from webportal.accounts.models import User
from webportal.inference import rounding
from webportal.inference.models import Prediction
from webportal.inference.purpose.ages import StatedAge, by_header
from webportal.inference.purpose.reasons import in_short
from webportal.labels import label_of
from webportal.records import identity
from webportal.records.ages import age_in_months, contradicts
from webportal.records.models import IdentityCorrection, Study
from webportal.records.templatetags.records import with_nepali
from webportal.review.models import OtherFinding, Read, ReadState, Zone
from webportal.review.preferences import closes_results, reads_first, results_are_open
from webportal.review.reads import corrections as identity_corrections
from webportal.review.reads import marks, measurements
from webportal.review.reads.blinding import closes_result, hides_result, sees_read
from webportal.review.reads.headline import Finding, stands_to
from webportal.review.reads.marks import parse_marks

register = template.Library()


@register.filter
def percent(probability: float | None, thresholds: rounding.Thresholds) -> str:
    """A probability of pneumonia as a percentage, on its side of its version's thresholds."""
    return "" if probability is None else rounding.percent(probability, thresholds)


@register.filter
def percent_of_pattern(probability: float) -> str:
    """The probability of a pattern as a percentage; no threshold applies to it."""
    return rounding.percent(probability, {})


@register.filter
def waited(since: datetime) -> str:
    """Time since then: in minutes for the first two hours, then hours, then days."""
    minutes = max(0, int((timezone.now() - since).total_seconds() // 60))
    if minutes < 120:
        return gettext("{minutes} min").format(minutes=minutes)
    hours = minutes // 60
    if hours < 48:
        return gettext("{hours} h").format(hours=hours)
    return gettext("{days} d").format(days=hours // 24)


@register.filter
def examined(moment: datetime | None) -> str:
    """Date and time of a study; the date only if the file has no time."""
    if moment is None:
        return gettext("date not given")
    local = timezone.localtime(moment)
    has_time = (local.hour, local.minute, local.second) != (0, 0, 0)
    written = local.strftime("%Y-%m-%d %H:%M" if has_time else "%Y-%m-%d")
    return with_nepali(written, moment)


@register.filter
def age(birth_date: date | None, on: date | datetime | None) -> str:
    """A person's age on that day: in days, then months from one on, then years from two on.

    "" if it is unknown. The chest of a newborn changes from day to day.
    """
    day = timezone.localtime(on).date() if isinstance(on, datetime) else on
    if contradicts(birth_date, day):
        return gettext("age unclear: dates contradict")
    return _format_age(birth_date, day)


@register.filter
def age_then(study: Study, patient_age: str) -> str:
    """A patient's age at a study, as `age` formats it; without dates as given in the file.

    `patient_age` is Patient's Age (0010,1010) of the study's images.
    """
    words = age(study.patient.birth_date, study.performed_at)
    return words or _format_stated(by_header(patient_age or ""))


@register.filter
def doubts(result: Prediction | Study) -> list[str]:
    """The doubts about a model result, each in a few words."""
    words = in_short(result.purpose_reasons)
    if isinstance(result, Study):
        if result.images_differ:
            words.append(gettext("images differ"))
        if result.images_withheld:
            words.append(_withheld(result.images_withheld))
    return words


def _withheld(images: int) -> str:
    return ngettext("%(count)d not assessable", "%(count)d not assessable", images) % {
        "count": images
    }


@register.filter
def age_today(birth_date: date | None) -> str:
    """A person's age today, formatted as by `age`."""
    return _format_age(birth_date, timezone.localdate())


def _format_age(birth_date: date | None, day: date | None) -> str:
    months = age_in_months(birth_date, day)
    if months is None or birth_date is None or day is None:
        return ""
    if months == 0:
        return gettext("{days} d").format(days=(day - birth_date).days)
    return _format_months(months)


def _format_stated(given: StatedAge | None) -> str:
    """An age from a header, no more exact than it is there: `001Y` may be 23 months."""
    if given is None:
        return ""
    if given.below - given.months > 1:
        years = given.months // 12
        return gettext("{years} y").format(years=years) if years else gettext("under 1 y")
    return _format_months(given.months) if given.months else gettext("under 1 mo")


def _format_months(months: int) -> str:
    if months < 24:
        return gettext("{months} mo").format(months=months)
    return gettext("{years} y").format(years=months // 12)


@register.filter
def finding(value: str) -> str:
    """The label of an other finding."""
    return label_of(OtherFinding, value)


@register.filter
def against(finding: Finding | None, category: str) -> str:
    """The relation of the signed finding to the model's result, as text."""
    return stands_to(finding, category) if finding else ""


@register.filter
def zone(value: str) -> str:
    """The label of a lung zone."""
    return label_of(Zone, value)


@register.filter
def describe_marks(read: Read) -> list[str]:
    """Text alternative for a read's marks on the images."""
    return marks.describe_marks(parse_marks(read.marks), read.study)


@register.filter
def describe_measurements(read: Read) -> list[str]:
    """The measurements of a read with their values."""
    return measurements.describe_measurements(read.measurements, read.study)


@register.filter
def reads_for(study: Study, person: User) -> list[Read]:
    """The standing reads of a study that this person may see, in the order of signing."""
    signed = [read for read in study.reads.all() if read.state == ReadState.SIGNED]
    superseded = {read.amends_id for read in signed}
    reads = [read for read in signed if read.pk not in superseded and sees_read(person, read)]
    return sorted(reads, key=lambda read: read.signed_at or timezone.now())


@register.filter
def superseded(read: Read) -> list[Read]:
    """The reads superseded by this one, latest first."""
    earlier = []
    while read.amends is not None:
        read = read.amends
        earlier.append(read)
    return earlier


@register.simple_tag(takes_context=True)
def result_kept_from(context: Context, study: Study) -> str:
    """Why the current user is not shown the model's result of a study; '' if they are.

    "hidden" if they are to read the study blind, "closed" if they read first.
    """
    request = context["request"]
    if hides_result(request.user, study):
        return "hidden"
    is_closed = not results_are_open(request) and closes_result(request.user, study)
    return "closed" if is_closed else ""


@register.inclusion_tag("review/reads/results_closed.html", takes_context=True)
def results_closed(context: Context) -> dict[str, object]:
    """A notice that results are closed for those who read first, with a way to open them."""
    request = context["request"]
    return {
        "request": request,
        "reads_first": reads_first(request.user),
        "is_closed": closes_results(request),
    }


@register.filter
def corrections(read: Read) -> list[IdentityCorrection]:
    """The corrections of the identity under which a read was signed."""
    return identity_corrections.corrections_of(read)


@register.filter
def has_corrected_read(study: Study, person: User) -> bool:
    """Whether a read that this person may see was signed under another identity."""
    return bool(identity_corrections.studies_with_corrected_reads(person, [study.pk]))


@register.filter
def unseen_corrections(read: Read, person: User) -> list[IdentityCorrection]:
    """The corrections that its reader has not acknowledged; none for anybody else."""
    return identity_corrections.unseen_corrections(read, person)


@register.filter
def format_identity(recorded: dict[str, str]) -> str:
    """A recorded identity on one line."""
    return identity.format_identity(recorded)
