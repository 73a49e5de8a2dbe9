"""The reader's part of the study page: signed reads and the reading form."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.records.choices import ReadingState
from webportal.records.identity import shown_identity
from webportal.records.models import Study
from webportal.review.models import (
    Decision,
    OtherFinding,
    Pneumonia,
    Read,
    ReadKind,
    Reservation,
    TextTemplate,
    Zone,
)
from webportal.review.reads import reservation
from webportal.review.reads.authentication import has_pin, is_pin_offered
from webportal.review.reads.blinding import hides_result, sees_read
from webportal.review.reads.decisions import open_choices
from webportal.review.reads.queries import leading_prediction, own_draft
from webportal.review.reads.second_reading import (
    NOT_BLIND,
    PRIOR,
    due_read,
    may_make,
    signed_reads,
)
from webportal.review.reads.services import draft_version
from webportal.review.reads.signed_identity import IdentityChange, identity_change
from webportal.review.session.pin_views import OFFER, PinForm
from webportal.review.study.forms import AddendumForm, ReadForm, amendment_form, read_form

HEADINGS = {
    ReadKind.FIRST: gettext_lazy("Your read"),
    ReadKind.SECOND: gettext_lazy("Your read, as second reader"),
    ReadKind.ARBITRATION: gettext_lazy("Your read, as arbiter"),
}
WORDS = {
    Decision.CONFIRM: gettext_lazy("confirms the model"),
    Decision.OVERRULE: gettext_lazy("overrules the model"),
    Decision.UNAIDED: "",
    Decision.NOT_INTERPRETABLE: "",
}
# Readers know them by heart: a new finding gets a free key if there is one, and no key changes.
# One without a key is ticked by click, or with Tab and Space.
FINDING_KEYS: Mapping[str, str] = {
    OtherFinding.EFFUSION: "5",
    OtherFinding.CARDIOMEGALY: "6",
    OtherFinding.PNEUMOTHORAX: "7",
    OtherFinding.ATELECTASIS: "8",
    OtherFinding.OTHER: "9",
}
ZONE_KEYS: Mapping[str, str] = dict(zip(Zone, "123456", strict=True))
# As displayed: the patient's right lung is on the left. The numbers are the keys.
ZONE_ROWS = [
    (Zone.RIGHT_UPPER, Zone.LEFT_UPPER),
    (Zone.RIGHT_MIDDLE, Zone.LEFT_MIDDLE),
    (Zone.RIGHT_LOWER, Zone.LEFT_LOWER),
]


@dataclass(frozen=True)
class Choice:
    """A pair of decision and finding, with its label and key."""

    value: str
    key: str
    finding: str
    meaning: str
    needs_picture: bool


@dataclass(frozen=True)
class Checkbox:
    """A finding or zone checkbox with its key, if it has one."""

    value: str
    key: str
    label: str
    is_ticked: bool


@dataclass(frozen=True)
class ReadingPanel:
    """What the templates of the panel show, by the names that they use."""

    shown_identity: str
    seen_identity: str
    identity_change: IdentityChange | None
    addendum_seen_identity: str
    addendum_identity_change: IdentityChange | None
    due: str
    is_prior: bool
    heading: str | Promise
    own: Read | None
    amended: Read | None
    shows_form: bool
    may_read: bool
    refusal: str
    reads: list[Read]
    signed: Read | None
    addendum_to: Read | None
    newer_result: bool
    late_draft: Read | None
    begun_amendment: Read | None
    draft: Read | None
    draft_version: str
    draft_is_outdated: bool
    unknown_in_draft: list[str]
    form: ReadForm
    hides_result: bool
    leading: Prediction | None
    seen: UUID | str
    choices: list[Choice]
    findings: list[Checkbox]
    keyed_findings: list[Checkbox]
    zone_rows: list[list[Checkbox]]
    addendum_form: AddendumForm
    has_late_image: bool
    may_edit: bool
    reservation: Reservation | None
    reserved_by_other: Reservation | None
    text_templates: list[TextTemplate]
    asks_for_pin: bool
    offers_pin: bool
    proposes_pin: bool
    pin_form: PinForm


def reading_panel(
    study: Study,
    reader: User,
    form: ReadForm | None = None,
    addendum_form: AddendumForm | None = None,
    *,
    amends: bool = False,
    pin_is_open: bool = False,
) -> ReadingPanel:
    """Collect what the panel shows; forms are those submitted with errors.

    With `amends` it has the form for amending the reader's own signed read, if there is one.
    """
    due = due_read(study)
    is_hidden = hides_result(reader, study)
    leading = None if is_hidden else leading_prediction(study)
    reads = [read for read in signed_reads(study) if sees_read(reader, read)]
    own = next((read for read in reads if read.reader_id == reader.pk), None)
    signed = reads[-1] if reads and not due else None
    is_prior = study.reading_state == ReadingState.PRIOR
    refusal = str(PRIOR) if is_prior else _why_not(due, own, reader)
    draft = own_draft(study, reader)
    choices = _choices(leading)
    amended = own if amends else None
    seen = leading.pk if leading else None
    if form is None and amended is not None:
        by_finding = {each.value.partition(":")[2]: each.value for each in choices}
        form = amendment_form(draft, amended, seen, by_finding)
    form = form or read_form(draft, seen)
    findings = _ticks(OtherFinding, form, "other_findings", FINDING_KEYS)
    present = reservation.reservation_of(study)
    # The reader is told if the patient's data changed after the draft was written.
    now = shown_identity(study.patient)
    begun_under = (draft.identity if draft else {}) or now
    addendum_under = (addendum_form.seen_identity() if addendum_form else {}) or begun_under
    return ReadingPanel(
        shown_identity=json.dumps({"identity": json.dumps(now)}),
        seen_identity=json.dumps(begun_under),
        identity_change=identity_change(begun_under, study.patient),
        addendum_seen_identity=json.dumps(addendum_under),
        addendum_identity_change=identity_change(addendum_under, study.patient),
        due=due,
        is_prior=is_prior,
        heading=HEADINGS.get(ReadKind(due), "") if due else "",
        own=own,
        amended=amended,
        shows_form=(bool(due) and not refusal) or amended is not None,
        may_read=bool(due) and not refusal,
        refusal=refusal,
        reads=reads,
        signed=signed,
        addendum_to=signed or own,
        newer_result=bool(
            signed and signed.prediction and leading and signed.prediction != leading
        ),
        late_draft=draft if draft and not draft.amends_id and (not due or refusal) else None,
        begun_amendment=draft if draft and draft.amends_id and own else None,
        draft=draft,
        draft_version=draft_version(draft),
        draft_is_outdated=bool(draft and draft.decision and draft.prediction != leading),
        unknown_in_draft=_unknown_values(draft) if draft else [],
        form=form,
        hides_result=is_hidden,
        leading=leading,
        seen=leading.pk if leading else "",
        choices=choices,
        findings=findings,
        keyed_findings=[each for each in findings if each.key],
        zone_rows=_zone_rows(form),
        addendum_form=addendum_form or _addendum_form(draft),
        has_late_image=signed is not None and study.reading_state == ReadingState.UNREAD,
        may_edit=due == ReadKind.FIRST,
        reservation=present,
        reserved_by_other=present if present and present.reader_id != reader.pk else None,
        text_templates=templates_of(reader),
        asks_for_pin=pin_is_open and has_pin(reader),
        offers_pin=is_pin_offered(),
        # Offered right after signing with the password, when its benefit is obvious.
        proposes_pin=pin_is_open and not has_pin(reader),
        pin_form=PinForm(prefix=OFFER),
    )


def templates_of(reader: User) -> list[TextTemplate]:
    """The text templates available to this reader, by key; personal ones take precedence."""
    found = TextTemplate.objects.filter(Q(owner=reader) | Q(owner=None))
    by_key = {each.key: each for each in sorted(found, key=lambda each: each.owner_id is not None)}
    return [by_key[key] for key in sorted(by_key)]


def _why_not(due: str, own: Read | None, reader: User) -> str:
    """Why this person may not make the read that is due; '' if they may."""
    if not due or may_make(due, reader, has_signed=own is not None):
        return ""
    if own is not None and due == ReadKind.SECOND:
        return _("You have signed the first read. The study waits for a second reader.")
    if own is not None:
        return _("The two readers disagree. The study waits for a third, who sees both reads.")
    return str(NOT_BLIND)


def _choices(leading: Prediction | None) -> list[Choice]:
    choices = open_choices(leading.shown_category if leading else "")
    return [
        Choice(
            value=f"{decision}:{finding}",
            key=str(number),
            finding=str(Pneumonia(finding).label) if finding else _("Not interpretable"),
            meaning=str(WORDS[decision]),
            needs_picture=decision != Decision.NOT_INTERPRETABLE,
        )
        for number, (decision, finding) in enumerate(choices, start=1)
    ]


def _ticks(
    choices: type[OtherFinding] | type[Zone], form: ReadForm, field: str, keys: Mapping[str, str]
) -> list[Checkbox]:
    ticked = form[field].value() or []
    return [
        Checkbox(each.value, keys.get(each, ""), str(each.label), each.value in ticked)
        for each in choices
    ]


def _zone_rows(form: ReadForm) -> list[list[Checkbox]]:
    ticks = {tick.value: tick for tick in _ticks(Zone, form, "zones", ZONE_KEYS)}
    return [[ticks[zone] for zone in row] for row in ZONE_ROWS]


def _unknown_values(draft: Read) -> list[str]:
    """The findings and zones of a draft that a newer release has and this one does not.

    While one is being installed or taken back, the same database serves both. The form has no box
    for them, so that the next save loses them.
    """
    known = {*OtherFinding.values, *Zone.values}
    return [each for each in [*draft.other_findings, *draft.zones] if each not in known]


def _addendum_form(draft: Read | None) -> AddendumForm:
    """The form, filled with the reader's draft from before somebody else signed."""
    if draft is None or draft.amends_id is not None:
        return AddendumForm()
    own_read = ""
    if draft.pneumonia:
        own_read = _("My own read: {finding}.").format(finding=Pneumonia(draft.pneumonia).label)
    return AddendumForm(initial={"text": "\n".join(filter(None, [own_read, draft.comment]))})
