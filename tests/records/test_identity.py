"""The fingerprint of a patient's identity."""

from datetime import date

import pytest

from tests.factories import make_patient
from webportal.records.identity import identity_version, shown_identity, version_of
from webportal.records.models import Patient

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patient_id", "P2"),
        ("issuer", "ELSEWHERE"),
        ("name", "Other^Phantom"),
        ("birth_date", date(2020, 1, 3)),
        ("birth_date", None),
        ("sex", "M"),
    ],
)
def test_each_value_changes_the_fingerprint(field: str, value: object) -> None:
    patient = make_patient(birth_date=date(2020, 1, 2), sex="F")
    before = identity_version(patient)
    setattr(patient, field, value)
    assert identity_version(patient) != before


def test_the_fingerprint_survives_saving_and_reloading() -> None:
    patient = make_patient(birth_date=date(2020, 1, 2), sex="F")
    again = Patient.objects.get(pk=patient.pk)
    assert identity_version(again) == version_of(shown_identity(patient))


def test_two_records_with_equal_data_are_two_persons() -> None:
    one, other = make_patient(name="A^B"), make_patient(name="A^B")
    other.patient_id = one.patient_id
    assert identity_version(one) != identity_version(other)


def test_a_value_moved_to_the_next_field_is_another_identity() -> None:
    one = shown_identity(make_patient(patient_id="AB", issuer="C"))
    assert version_of(one) != version_of(one | {"patient_id": "A", "issuer": "BC"})
