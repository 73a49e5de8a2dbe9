"""Identifying all patients of an upload in one table.

Each row is one study with a temporary identity. Rows are saved independently: an error in one does
not prevent the others from being saved, and empty rows are left unchanged.
"""

import re
import uuid
from collections.abc import Collection, Iterable
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from webportal.access.shown import show
from webportal.accounts.models import User
from webportal.accounts.roles import UPLOADERS, SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.inference.purpose.ages import by_header
from webportal.inference.purpose.keeping import reevaluate
from webportal.intake.batches.summary import unidentified
from webportal.intake.cases.sheet import parse_sex, placeholder_problem, spreadsheet_problem
from webportal.intake.claimed_identity import Identity
from webportal.intake.file_names import file_names
from webportal.intake.models import UploadBatch
from webportal.records.choices import Sex
from webportal.records.fields import UNKNOWN_SEX, birth_date_field
from webportal.records.forms import PatientForm, form_values
from webportal.records.models import OWN_ISSUER, Study
from webportal.records.services import RecordError
from webportal.review.study.case_records import assign_patient

#: Rows per page; the next ones follow once these are done.
MOST_LINES = 100
_AGE = re.compile(r"(?P<number>\d{1,3})\s*(?P<unit>y|years?|mo|m|months?|w|weeks?|d|days?)\.?")
# Unit letters of DICOM's Age String (PS3.5, VR AS).
_UNITS = {"y": "Y", "m": "M", "w": "W", "d": "D"}


COLUMNS = ("family_name", "given_name", "birth_date", "age", "sex", "patient_id", "issuer")


class IdentifyForm(PatientForm):
    """The patient of one study, with the age if the date of birth is unknown."""

    study = forms.UUIDField(widget=forms.HiddenInput)
    birth_date = birth_date_field(forms.TextInput(attrs={"placeholder": "YYYY-MM-DD", "size": 10}))
    age = forms.CharField(
        label=_("or age"),
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "3 y", "size": 5}),
    )
    sex = forms.CharField(  # type: ignore[assignment]  # typed in, as into a sheet
        label=_("Sex"), required=False, widget=forms.TextInput(attrs={"size": 3})
    )

    @property
    def visible_in_order(self) -> list[forms.BoundField]:
        """The fields in the order of the table's columns."""
        return [self[name] for name in COLUMNS]

    def clean_patient_id(self) -> str:
        """Reject identifiers mangled by a spreadsheet, and placeholders."""
        patient_id: str = self.cleaned_data["patient_id"]
        problem = spreadsheet_problem(patient_id) or placeholder_problem(patient_id)
        if problem:
            raise forms.ValidationError(problem)
        return patient_id

    def clean_age(self) -> str:
        """Return the age as a DICOM Age String (003Y); a missing unit is never guessed."""
        text: str = self.cleaned_data["age"].strip().lower()
        if not text:
            return ""
        age = _AGE.fullmatch(text)
        if age is None:
            raise forms.ValidationError(gettext("Enter the age with its unit: 3 y, 14 mo or 20 d."))
        written = f"{int(age['number']):03}{_UNITS[age['unit'][0]]}"
        if by_header(written) is None:
            raise forms.ValidationError(gettext("No patient is that old."))
        return written

    def clean_sex(self) -> str:
        """Reject anything other than the accepted codes and words for sex."""
        sex = parse_sex(self.cleaned_data["sex"].strip())
        if sex not in ("", *Sex.values):
            raise forms.ValidationError(UNKNOWN_SEX)
        return sex

    def identity(self) -> Identity:
        """Return the identity entered."""
        values = self.values()
        del values["study"], values["age"]
        return Identity(**values)


class _Lines(forms.BaseFormSet[IdentifyForm]):
    """The formset; an empty row is not an error."""

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """Allow every row to be left empty."""
        return {"empty_permitted": True}


IdentifyFormSet = forms.formset_factory(IdentifyForm, formset=_Lines, extra=0, max_num=MOST_LINES)


def _first_unidentified(batch: UploadBatch, person: User) -> list[Study]:
    studies = unidentified(batch, person).select_related("patient")
    return list(studies.order_by("created_at", "id")[:MOST_LINES])


@allow(*UPLOADERS)
@require_http_methods(["GET", "POST"])
def identify(request: SignedInRequest, batch_id: uuid.UUID) -> HttpResponse:
    """Show and save the table; rows that could not be saved are shown again with their errors."""
    batch = get_object_or_404(UploadBatch.objects.visible_to(request.user), pk=batch_id)
    if request.method != "POST":
        return _page(request, batch, _lines_of(_first_unidentified(batch, request.user)))
    lines = IdentifyFormSet(request.POST, initial=_initial(_posted(request)))
    done = [line for line in lines if _is_filled_in(line) and _save(line, request.user)]
    if done:
        words = ngettext("%(count)d study identified.", "%(count)d studies identified.", len(done))
        messages.success(request, words % {"count": len(done)})
    left = [line for line in lines if line.has_changed() and line not in done]
    if left:
        return _page(request, batch, lines, done=done, status=422)
    if unidentified(batch, request.user).exists():
        return redirect("results:identify", batch.pk)
    return redirect("intake:batch", batch.pk)


def _lines_of(studies: Iterable[Study]) -> "forms.BaseFormSet[IdentifyForm]":
    return IdentifyFormSet(initial=_initial(studies))


def _initial(studies: Iterable[Study]) -> list[dict[str, Any]]:
    """Initial values from the records; temporary Patient IDs are left blank."""
    known = []
    for study in studies:
        values = form_values(study.patient) | {"patient_id": "", "study": study.pk}
        if values["issuer"] == OWN_ISSUER:
            values["issuer"] = ""
        known.append(values)
    return known


def _posted(request: SignedInRequest) -> list[Study]:
    """The studies of the submitted rows, in order, whoever their patients are now."""
    ids = []
    for number in range(MOST_LINES):
        try:
            ids.append(uuid.UUID(request.POST.get(f"form-{number}-study", "")))
        except ValueError:
            break
    studies = Study.objects.visible_to(request.user).select_related("patient").in_bulk(ids)
    return [studies[each] for each in ids if each in studies]


def _is_filled_in(line: IdentifyForm) -> bool:
    return line.has_changed() and line.is_valid()


def _save(line: IdentifyForm, by: User) -> bool:
    """Save one row; an error is reported in that row."""
    try:
        with transaction.atomic():
            visible = Study.objects.visible_to(by).select_related("patient")
            study = visible.get(pk=line.cleaned_data["study"])
            if not study.patient.is_temporary:
                raise RecordError(gettext("Somebody else has identified this study meanwhile."))
            assign_patient(study, line.identity(), by)
            _record_age(study, line.cleaned_data["age"], by)
    except (RecordError, Study.DoesNotExist) as error:
        line.add_error("patient_id", str(error))
        return False
    return True


def _record_age(study: Study, age: str, by: User) -> None:
    """Record the age at the study for images whose files do not state it."""
    if not age or not study.radiographs.filter(patient_age="").update(patient_age=age):
        return
    detail = {"fields": ["patient_age"], "patient_age": age}
    append(Event(Action.STUDY_CHANGED, "study", study.pk, study.pk, detail), by)
    reevaluate([study.pk])


def _study_of(line: IdentifyForm) -> uuid.UUID | None:
    """The study of a row; None if the submitted id matches none."""
    try:
        return uuid.UUID(str(line["study"].value()))
    except ValueError:
        return None


def _page(
    request: SignedInRequest,
    batch: UploadBatch,
    lines: "forms.BaseFormSet[IdentifyForm]",
    done: Collection[IdentifyForm] = (),
    status: int = 200,
) -> HttpResponse:
    named = {line: _study_of(line) for line in lines}
    seen = Study.objects.visible_to(request.user).filter(pk__in=filter(None, named.values()))
    visible = set(seen.values_list("pk", flat=True))
    studies = {line: study if study in visible else None for line, study in named.items()}
    names = file_names([study for study in studies.values() if study])
    show(request, study_ids=[study for study in studies.values() if study])
    shown = [
        {"form": line, "files": names.get(study, []) if study else []}
        for line, study in studies.items()
        if line not in done
    ]
    context = {"batch": batch, "lines": lines, "shown": shown, "most": MOST_LINES}
    return render(request, "review/batches/identify.html", context, status=status)
