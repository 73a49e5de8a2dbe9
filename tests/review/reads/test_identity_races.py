"""Concurrent identity changes and signatures: one waits and sees the other."""

import pytest
from django.db import transaction

from tests.acts import Act
from tests.conftest import PASSWORD
from tests.factories import make_patient, make_radiograph, make_study
from tests.reading import look_at, present_identity, sign
from webportal.accounts.models import User
from webportal.intake.claimed_identity import Identity
from webportal.records.models import IdentityCorrection, Patient, Study
from webportal.records.services import SignedIdentityError, change_patient
from webportal.review.reads import services
from webportal.review.reads.services import Entry, ReadingError
from webportal.review.study.case_records import assign_patient

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def study() -> Study:
    return make_radiograph(make_study(patient=make_patient(name="Phantom^Eva"))).study


def sign_it(study: Study, reader: User) -> None:
    sign(study, reader, Entry(None, "unaided", "none"), PASSWORD)


@pytest.mark.parametrize("moves", [False, True])
def test_an_uploader_s_change_waits_for_a_signature_and_is_refused(
    moves: bool, study: Study, uploader: User, radiologist: User
) -> None:
    def change() -> None:
        if moves:
            assign_patient(study, Identity("H-2", name="Doe^Jane"), uploader)
        else:
            change_patient(study.patient, {"name": "Phantom^Ewa"}, uploader)

    with transaction.atomic():
        sign_it(study, radiologist)
        changing = Act(change)
        assert changing.waits()
    assert isinstance(changing.end(), SignedIdentityError)
    assert Study.objects.get(pk=study.pk).patient.name == "Phantom^Eva"
    assert not Patient.objects.filter(patient_id="H-2").exists()


@pytest.mark.parametrize("moves", [False, True])
def test_a_signature_waits_for_a_change_and_is_refused(
    moves: bool, study: Study, uploader: User, radiologist: User
) -> None:
    look_at(study, radiologist)
    entry = Entry(None, "unaided", "none", identity=present_identity(study))
    with transaction.atomic():
        if moves:
            assign_patient(study, Identity("H-2", name="Doe^Jane"), uploader)
        else:
            change_patient(study.patient, {"name": "Doe^Jane"}, uploader)
        signing = Act(lambda: services.sign(study, radiologist, entry, PASSWORD))
        assert signing.waits()
    refused = signing.end()
    assert isinstance(refused, ReadingError)
    assert refused.code == "identity_changed"
    assert study.reads.get().state == "draft"
    assert not IdentityCorrection.objects.exists()
