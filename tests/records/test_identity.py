"""The fingerprint of a patient's identity."""

import re
from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest

from ml.images import ImageFacts, describe
from tests import dicom_files as files
from tests.factories import make_patient
from webportal.dicomweb.attributes import ATTRIBUTES
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.checks import wrapping
from webportal.intake.claimed_identity import (
    COMPARED,
    Identity,
    differing,
    identity_in_header,
    temporary_identity,
)
from webportal.intake.models import UploadBatch
from webportal.intake.pipeline.identify import identify
from webportal.reasons import FIELDS
from webportal.records.fields import PatientFields
from webportal.records.identity import (
    IDENTITY_FIELDS,
    KEYWORDS,
    identity_version,
    shown_identity,
    version_of,
)
from webportal.records.models import Patient
from webportal.review.reads.signed_identity import LABELS

pytestmark = pytest.mark.django_db


#: Of the record, not of the person.
NOT_IDENTIFYING = {"id", "is_temporary", "created_at"}


def test_what_identifies_a_patient_is_known_wherever_it_has_to_be() -> None:
    """Otherwise a file of the patient leaves with the former value, or no change is recorded."""
    named = set(KEYWORDS)
    known = {each.name for each in Patient._meta.concrete_fields}
    assert known == named | NOT_IDENTIFYING, "webportal/records/identity.py"
    known = {each.name for each in fields(Identity)}
    assert known == named | {"is_temporary"}, "webportal/intake/claimed_identity.py"
    assert set(LABELS) == named, "webportal/review/reads/signed_identity.py"
    searched = {each.keyword for each in ATTRIBUTES}
    assert searched >= set(KEYWORDS.values()), "webportal/dicomweb/attributes.py"
    of_files = {"_".join(re.findall("ID|[A-Z][a-z]+", each)).lower() for each in KEYWORDS.values()}
    for facts in (ImageFacts, wrapping.Header):
        assert {each.name for each in fields(facts)} >= of_files, facts
    typed = set(PatientFields.base_fields) - {"family_name", "given_name"} | {"name"}
    assert typed == named, "webportal/records/fields.py"


def test_no_value_is_lost_between_a_file_or_case_record_and_the_identity() -> None:
    header: dict[str, Any] = dict.fromkeys(KEYWORDS.values(), "PHANTOM-7")
    header |= {"PatientBirthDate": "19710203", "PatientSex": "F"}
    facts = describe(files.dicom(files.phantom(), **header))
    given = identity_in_header(facts)
    assert all(getattr(given, name) for name in KEYWORDS), "webportal/intake/claimed_identity.py"
    unnamed = replace(facts, patient_id="")
    kept = temporary_identity(unnamed, "1.2")
    expected = replace(
        given, patient_id=kept.patient_id, issuer=kept.issuer, is_temporary=kept.is_temporary
    )
    assert kept == expected, "webportal/intake/claimed_identity.py"
    record = CaseRecord(**{name: getattr(given, name) for name in KEYWORDS})
    claim = identify(UploadBatch(), record, unnamed)
    assert claim.patient == given, "webportal/intake/pipeline/identify.py"


def test_all_but_the_id_tells_two_people_apart_and_is_filled_in_when_a_later_file_has_it() -> None:
    """Otherwise a file that contradicts the record is not held."""
    own: dict[str, Any] = {"name": "Phantom^Ewa", "birth_date": date(1971, 2, 3), "sex": "F"}
    others: dict[str, Any] = {"name": "Doe^Jane", "birth_date": date(1980, 1, 2), "sex": "M"}
    told_apart = set(KEYWORDS) - {"patient_id", "issuer"}
    one = {name: own.get(name, "one") for name in told_apart}
    other = {name: others.get(name, "other") for name in told_apart}
    found = differing(Identity("P-1", **one), Identity("P-1", **other))
    assert set(found) == set(COMPARED) == told_apart, "webportal/intake/claimed_identity.py"
    assert told_apart <= set(FIELDS), "webportal/reasons.py"


def test_fingerprints_kept_in_the_trail_stay_those_of_their_identities() -> None:
    """A value that earlier identities lack must not change theirs."""
    identity = dict.fromkeys(IDENTITY_FIELDS, "") | {"patient_id": "P-1", "name": "Phantom^Ewa"}
    assert version_of(identity) == (
        "368878ad33706b63cf10bc9e588e7254895c47c026f5e20244d77dd5d5911c97"
    )


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
