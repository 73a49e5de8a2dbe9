"""A single set of fields for a patient's identity and the case record, used by every interface."""

import pytest
from django import forms

from tests.factories import make_study
from webportal.api.held import FileCorrection
from webportal.api.patients import IdentitySerializer
from webportal.api.uploads import UploadCaseRecord
from webportal.intake.cases.case_record import CaseRecordForm
from webportal.intake.cases.sheet import COLUMNS
from webportal.intake.held.forms import HeldFileForm
from webportal.records.fields import CaseFields, PatientFields
from webportal.records.forms import CorrectionForm, PatientForm
from webportal.records.models import Patient
from webportal.review.batches.identify_views import IdentifyForm
from webportal.review.study.forms import StudyCaseRecordForm

FIELDS = PatientFields.base_fields | CaseFields.base_fields
FORMS = [PatientForm, CorrectionForm, IdentifyForm, HeldFileForm, CaseRecordForm]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_same_maximum_lengths(form: type[forms.Form]) -> None:
    shared = FIELDS.keys() & form.base_fields.keys()
    assert shared >= PatientFields.base_fields.keys()
    for name in shared:
        if name != "sex":  # typed as a letter or a word where several lines are filled in
            assert type(form.base_fields[name]) is type(FIELDS[name])
            longest = getattr(form.base_fields[name], "max_length", None)
            assert longest == getattr(FIELDS[name], "max_length", None), name


@pytest.mark.parametrize("serializer", [IdentitySerializer, FileCorrection, UploadCaseRecord])
def test_rest_has_the_fields_of_its_form(serializer: type[IdentitySerializer]) -> None:
    taken = serializer().fields
    assert taken.keys() == serializer.form.base_fields.keys()
    for name, field in taken.items():
        assert getattr(field, "max_length", None) == getattr(FIELDS[name], "max_length", None)
        assert field.required == (name == "patient_id" and not serializer.is_partial)


def test_the_sheet_has_the_fields_as_columns() -> None:
    assert ["file", *PatientFields.base_fields, *CaseFields.base_fields, "priority"] == COLUMNS


def test_the_database_accepts_what_the_forms_accept() -> None:
    for name in ("patient_id", "issuer"):
        longest = FIELDS[name].max_length  # type: ignore[attr-defined]
        assert getattr(Patient._meta.get_field(name), "max_length", None) == longest


@pytest.mark.django_db
def test_a_recorded_long_text_may_stay_but_not_be_entered() -> None:
    study = make_study(history="h" * 5000)
    given = {"history": study.history, "priority": study.priority}
    assert "history" not in StudyCaseRecordForm(given, instance=study).errors
    longer = StudyCaseRecordForm(given | {"history": "h" * 5001}, instance=study)
    assert "history" in longer.errors
    empty = make_study()
    assert "history" in StudyCaseRecordForm(given | {"history": "h" * 4001}, instance=empty).errors
