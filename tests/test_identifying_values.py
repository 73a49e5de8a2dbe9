"""What identifies a patient or a study: searches, erasures, and all that leaves know it.

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
from webportal.delivery.documents.sources import source_of
from webportal.dicomweb.instances import Instance
from webportal.erasure.traces import Traces
from webportal.records.files import read_dicom
from webportal.records.identity import KEYWORDS, attributes_of
from webportal.records.models import Radiograph, Study
from webportal.records.searches import find_patients_for_auditors
from webportal.review.study.persons import compare

pytestmark = pytest.mark.django_db

VALUE = "QWYX-7731"
#: Many people have them in common, so that nobody is searched for or erased by them.
SHARED = {"issuer", "birth_date", "sex"}
OF_A_STUDY = {
    "_".join(re.findall("ID|[A-Z][a-z]+", keyword)).lower(): keyword
    for keyword in set(IDENTIFYING) - set(KEYWORDS.values())
}
SEARCHED = sorted(set(KEYWORDS) - SHARED | set(OF_A_STUDY))
ALL = sorted(KEYWORDS | OF_A_STUDY)


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


@pytest.mark.parametrize("name", sorted(set(SEARCHED) - set(OF_A_STUDY)))
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


@pytest.mark.parametrize("name", ALL)
def test_an_image_that_leaves_has_the_recorded_value(name: str) -> None:
    """The stored file may predate a correction."""
    radiograph = make_radiograph()
    _give(radiograph.study, name)
    radiograph = Radiograph.objects.select_related("study__patient").get(pk=radiograph.pk)
    study = radiograph.study
    of_study = {keyword: getattr(study, field) for field, keyword in OF_A_STUDY.items()}
    keyword = (KEYWORDS | OF_A_STUDY)[name]
    recorded = (attributes_of(study.patient) | of_study)[keyword]
    retrieved = Instance(radiograph, read_dicom(radiograph)).data_set
    assert str(retrieved.get(keyword)) == recorded, "webportal/dicomweb/instances.py"
    described = source_of(radiograph)
    # A name has a delimiter there.
    found = str(described.get(keyword)).removesuffix("^")
    assert found == recorded, "webportal/delivery/documents/sources.py"


@pytest.mark.parametrize("name", sorted(KEYWORDS))
def test_the_comparison_of_two_patients_shows_it(name: str, radiologist: User) -> None:
    study, other = make_study(), make_study()
    before = compare(study, other.patient, radiologist).rows
    after = compare(study, _give(other, name).patient, radiologist).rows
    assert before != after, "webportal/review/study/persons.py"
