"""Reasons why a result is not clearly within its purpose, as sentences and short labels.

Reasons are stored as codes with values (`Prediction.purpose_reasons`), so that they can be shown in
the page's language.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext

from webportal.reasons import Reason

INFANT_MONTHS = 24

LONG = {
    "views_contradict": gettext_lazy(
        "The file names two different views (%(one)s and %(other)s). Check which is right."
    ),
    "view_word": gettext_lazy(
        "The file calls this view “%(view)s”, which is not a known term. Check whether it is"
        " frontal."
    ),
    "view_other": gettext_lazy("This view is %(view)s; the model is intended for %(views)s."),
    "view_unknown": gettext_lazy(
        "The file does not say which view this is; the model is intended for %(views)s."
    ),
    "bodies_contradict": gettext_lazy(
        "The file names two different body parts (%(one)s and %(other)s). Check which is right."
    ),
    "body_word": gettext_lazy(
        "The file calls the body part “%(part)s”, which is not a known term. Check whether it is"
        " a whole chest."
    ),
    "one_side": gettext_lazy(
        "The file says that only one side is shown (Image Laterality %(side)s). Check whether it"
        " is a whole chest."
    ),
    "age_unknown": gettext_lazy(
        "The patient’s age is not known; the model is intended for ages %(youngest)s to"
        " %(oldest)s years."
    ),
    "age_unreadable": gettext_lazy(
        "The file gives the patient’s age as “%(given)s”, which is not an age: it is not known."
    ),
    "dates_contradict": gettext_lazy(
        "Born on %(born)s and examined on %(taken)s cannot both be right, so the age is not known."
    ),
    "study_undated": gettext_lazy(
        "The study has no date, so the patient’s age is not known: %(age)s on the day of the"
        " upload. The model is intended for ages %(youngest)s to %(oldest)s years."
    ),
    "ages_contradict": gettext_lazy(
        "The patient was %(one)s old by the date of birth, but %(other)s by the file’s Patient"
        " Age; the model is intended for ages %(youngest)s to %(oldest)s years. Check which is"
        " right."
    ),
    "looks_adult": gettext_lazy(
        "The image looks like an adult’s and was assessed as one; the model is intended for ages"
        " %(youngest)s to %(oldest)s years."
    ),
    "adult_unlike_age": gettext_lazy(
        "The image looks like an adult’s and was assessed as one, but the patient was %(age)s old."
        " Check whether it is this patient’s."
    ),
    "child_unlike_age": gettext_lazy(
        "The image looks like a child’s and was assessed as one, but the patient was %(age)s old."
        " Check whether it is this patient’s."
    ),
}
#: Reasons of withheld results, stored with the result like any refusal.
WITHHELD = ("not_frontal_view", "not_chest", "part_of_chest")
_OUTSIDE_IN_YEARS = gettext_noop(
    "The patient was %(age)s years old; the model is intended for ages %(youngest)s to %(oldest)s."
)
_OUTSIDE_AN_INFANT = gettext_noop(
    "The patient was %(age)s old; the model is intended for ages %(youngest)s to %(oldest)s years."
)
SHORT = {
    "not_frontal_view": gettext_lazy("not a frontal view"),
    "views_contradict": gettext_lazy("view contradictory"),
    "view_word": gettext_lazy("view not known"),
    "view_other": gettext_lazy("view %(view)s"),
    "view_unknown": gettext_lazy("view not known"),
    "not_chest": gettext_lazy("not a chest"),
    "part_of_chest": gettext_lazy("part of a chest"),
    "bodies_contradict": gettext_lazy("body part contradictory"),
    "body_word": gettext_lazy("body part not known"),
    "one_side": gettext_lazy("one side only"),
    "age_unknown": gettext_lazy("age not known"),
    "age_unreadable": gettext_lazy("age not known"),
    "dates_contradict": gettext_lazy("dates contradictory"),
    "study_undated": gettext_lazy("study without a date"),
    "ages_contradict": gettext_lazy("age contradictory"),
    "age_outside": gettext_lazy("%(age)s old"),
    "looks_adult": gettext_lazy("looks like an adult"),
    "adult_unlike_age": gettext_lazy("looks like an adult, %(age)s old"),
    "child_unlike_age": gettext_lazy("looks like a child, %(age)s old"),
}


def sentences(given: Sequence[Sequence[Any]]) -> list[str]:
    """Return stored reasons as sentences in the page's language."""
    return [_sentence(code, values) for code, values in given]


def in_short(given: Sequence[Sequence[Any]]) -> list[str]:
    """Return short labels of stored reasons, without duplicates."""
    words = (_in_short(code, values) for code, values in given)
    return list(dict.fromkeys(words))


def format_age(months: int) -> str:
    """An age as text: in months for the first two years, then in years."""
    if months == 0:
        return _("less than 1 month")
    if months < INFANT_MONTHS:
        return ngettext("%(count)d month", "%(count)d months", months) % {"count": months}
    years = months // 12
    return ngettext("%(count)d year", "%(count)d years", years) % {"count": years}


def _in_short(code: str, values: Mapping[str, Any]) -> str:
    # As in `_sentence`, a reason of a later release is named by its code.
    return str(SHORT[code]) % _shown(code, values) if code in SHORT else code


def _sentence(code: str, values: Mapping[str, Any]) -> str:
    if code in WITHHELD:
        return str(Reason(code, values))
    if code != "age_outside" and code not in LONG:  # of a later release, after a downgrade
        return code
    if code != "age_outside":
        return str(LONG[code]) % _shown(code, values)
    if values["months"] < INFANT_MONTHS:
        return _(_OUTSIDE_AN_INFANT) % _shown(code, values)
    return _(_OUTSIDE_IN_YEARS) % {**values, "age": values["months"] // 12}


def _shown(code: str, values: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(values)
    if code == "ages_contradict":
        shown |= {name: format_age(values[name]) for name in ("one", "other")}
    if "months" in values:
        shown["age"] = format_age(values["months"])
    return shown
