"""What identifies a patient or a study: a search finds it, an erasure looks for it, HL7 has it.

A value that is new in `KEYWORDS` or `IDENTIFYING` fails here wherever it has been forgotten.
"""

import re
from datetime import date
from typing import Any

import pytest
from django.db.models import DateField, Model
from django.utils import timezone

from ml.images.dicom import IDENTIFYING
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from tests.reading import read
from webportal.accounts.models import User
from webportal.delivery.documents import hl7
from webportal.erasure.traces import Traces
from webportal.records.identity import KEYWORDS
from webportal.records.models import Study
from webportal.records.searches import find_patients_for_auditors

pytestmark = pytest.mark.django_db

VALUE = "QWYX-7731"
#: Many people have them in common, so that nobody is searched for or erased by them.
SHARED = {"issuer", "birth_date", "sex"}
OF_A_STUDY = {
    "_".join(re.findall("[A-Z][a-z]+", keyword)).lower()
    for keyword in set(IDENTIFYING) - set(KEYWORDS.values())
}
SEARCHED = sorted(set(KEYWORDS) - SHARED | OF_A_STUDY)
ALL = sorted({*KEYWORDS} | OF_A_STUDY)


def _owner(study: Study, name: str) -> Model:
    return study if name in OF_A_STUDY else study.patient


def _give(study: Study, name: str) -> Study:
    """Give the study, or its patient, another value."""
    owner = _owner(study, name)
    field: Any = owner._meta.get_field(name)
    value = field.choices[0][0] if field.choices else VALUE
    setattr(owner, name, date(1971, 2, 3) if isinstance(field, DateField) else value)
    owner.save()
    return Study.objects.select_related("patient").get(pk=study.pk)


@pytest.mark.parametrize("name", SEARCHED)
def test_a_search_finds_the_study(name: str) -> None:
    study = _give(make_study(), name)
    make_study()
    found = list(find_patients_for_auditors(VALUE))
    assert found == [study.patient], "the triggers of StudySearch (webportal/records/migrations)"


@pytest.mark.parametrize("name", sorted(set(SEARCHED) - OF_A_STUDY))
def test_a_search_finds_a_patient_without_a_study(name: str) -> None:
    patient = make_patient(**{name: VALUE})
    assert list(find_patients_for_auditors(VALUE)) == [patient], "webportal/records/searches.py"


@pytest.mark.parametrize("name", SEARCHED)
def test_an_erasure_recognises_the_patient_in_texts(name: str) -> None:
    study = _give(make_study(), name)
    traces = Traces.of(study.patient, [study])
    assert traces.are_in(f"scan of {VALUE}, Thursday.dcm"), "webportal/erasure/traces.py"


@pytest.mark.parametrize("name", ALL)
def test_a_report_over_hl7_has_it(name: str, radiologist: User) -> None:
    study = make_study()
    signed = read(make_prediction(make_radiograph(study)), radiologist, "none")
    at = timezone.now()
    before = hl7.read_message(study, signed, [], "1", at)
    after = hl7.read_message(_give(study, name), signed, [], "1", at)
    assert before != after, "webportal/delivery/documents/hl7.py"
