"""While the hospital's directory is away nothing is signed or opened, and nobody has failed."""

import pytest
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from tests.factories import make_patient, make_radiograph
from tests.helpers import audit_actions
from tests.reading import refusal, sign
from webportal.accounts import locking
from webportal.accounts.directory.connection import DirectoryUnreachableError
from webportal.accounts.models import FederatedIdentity, User
from webportal.accounts.services import PasswordUncheckedError
from webportal.accounts.sessions import SessionStore
from webportal.audit.models import Action
from webportal.records.models import EmergencyAccess
from webportal.review.emergency import services as emergency
from webportal.review.models import Read
from webportal.review.reads.services import Entry
from webportal.site import lock

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(radiologist: User, settings: Settings) -> User:
    # Nothing listens there.
    settings.LDAP_URL = "ldaps://127.0.0.1:9"
    FederatedIdentity.objects.create(user=radiologist, issuer="ldap", subject="00")
    return radiologist


def test_nothing_is_signed_and_no_failure_is_recorded(reader: User) -> None:
    study = make_radiograph().study
    code = refusal(lambda: sign(study, reader, Entry(None, "unaided", "none"), "swordfish"))
    assert code == "directory_unreachable"
    assert Read.objects.get().state == "draft"
    assert Action.SIGNATURE_FAILED not in audit_actions()


def test_the_session_stays_locked_and_no_failure_is_recorded(reader: User) -> None:
    request = RequestFactory().post("/unlock")
    request.session = SessionStore()
    request.session.create()
    assert locking.lock(request.session, reader)
    with pytest.raises(PasswordUncheckedError, match="does not respond"):
        lock.unlock(request, reader, "swordfish")
    assert locking.is_locked(request.session)
    assert Action.UNLOCK_FAILED not in audit_actions()


def test_no_patient_is_opened_and_no_failure_is_recorded(reader: User) -> None:
    make_patient(patient_id="P-77")
    with pytest.raises(emergency.EmergencyError, match="does not respond") as caught:
        emergency.begin(reader, "P-77", "Trauma room", "swordfish")
    assert not isinstance(caught.value, emergency.NotAuthenticatedError)
    assert not EmergencyAccess.objects.exists()
    assert Action.EMERGENCY_FAILED not in audit_actions()


@pytest.mark.parametrize("allowed", [True, False])
def test_a_passkey_is_recommended_only_where_it_signs_in(allowed: bool, settings: Settings) -> None:
    settings.LOCAL_SIGN_IN = allowed
    assert ("passkey" in str(DirectoryUnreachableError())) == allowed
