"""Passkeys sign reads and addenda and unlock sessions, each response for its purpose only."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.accounts.soft_passkey import SoftPasskey
from tests.conftest import PASSWORD
from tests.factories import make_prediction
from tests.helpers import audit_actions
from tests.reading import identity_field, look_at
from webportal.accounts.models import Passkey, User
from webportal.audit.models import Action, AuditEntry
from webportal.inference.models import Prediction
from webportal.review.models import Addendum, Read, ReadState

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return Client(headers={"Host": "localhost"})


@pytest.fixture
def passkey(browser: Client, radiologist: User) -> SoftPasskey:
    browser.post("/sign-in", {"username": radiologist.username, "password": PASSWORD})
    made = SoftPasskey()
    page = "/account/second-factor/passkeys"
    answer = made.make(browser.post(f"{page}/options").json())
    browser.post(page, {"name": "Laptop", "passkey": answer})
    return made


@pytest.fixture
def seen(radiologist: User) -> Prediction:
    prediction = make_prediction(category="unlikely")
    look_at(prediction.radiograph.study, radiologist)
    return prediction


def options(browser: Client, name: str, *args: Any) -> dict[str, Any]:
    found: dict[str, Any] = browser.post(reverse(name, args=args)).json()
    return found


def sign(browser: Client, seen: Prediction, answer: str) -> Any:
    study = seen.radiograph.study
    values = {"seen": seen.pk, "images": 1, "choice": "confirm:none", "passkey": answer}
    return browser.post(reverse("review:sign", args=[study.pk]), values | identity_field(study))


def test_a_passkey_signs_a_read(browser: Client, passkey: SoftPasskey, seen: Prediction) -> None:
    study = seen.radiograph.study
    page = browser.get(reverse("review:study", args=[study.pk])).text
    assert "Sign with a passkey" in page
    answer = passkey.answer(options(browser, "review:sign-passkey", study.pk))
    assert sign(browser, seen, answer).status_code == 302
    assert Read.objects.get().state == ReadState.SIGNED
    entry = AuditEntry.objects.get(action=Action.READ_SIGNED)
    assert entry.detail["passkey"] == str(Passkey.objects.get().pk)
    values = {"reason": "Late", "text": "More.", "images": 1} | identity_field(study)
    addendum = reverse("review:addendum", args=[study.pk])
    assert browser.post(addendum, values).status_code == 422
    values["passkey"] = passkey.answer(options(browser, "review:sign-passkey", study.pk))
    assert browser.post(addendum, values).status_code == 302
    assert Addendum.objects.get().text == "More."


def test_one_response_signs_one_study_once(
    browser: Client, passkey: SoftPasskey, seen: Prediction, radiologist: User
) -> None:
    other = make_prediction(category="unlikely")
    look_at(other.radiograph.study, radiologist)
    of_other = passkey.answer(options(browser, "review:sign-passkey", other.radiograph.study_id))
    options(browser, "review:sign-passkey", seen.radiograph.study_id)
    refused = sign(browser, seen, of_other)
    assert (refused.status_code, "not accepted" in refused.text) == (422, True)
    assert sign(browser, other, of_other).status_code == 302
    unlocking = passkey.answer(options(browser, "unlock-passkey"))
    assert sign(browser, seen, unlocking).status_code == 422
    assert Read.objects.filter(state=ReadState.SIGNED).count() == 1
    assert audit_actions().count(Action.SIGNATURE_FAILED) == 2


def test_nobody_can_sign_with_another_users_passkey(
    browser: Client, passkey: SoftPasskey, seen: Prediction, it_person: User
) -> None:
    Passkey.objects.update(user=it_person)
    address = reverse("review:sign-passkey", args=[seen.radiograph.study_id])
    assert "no passkey for this address" in browser.post(address).json()["detail"]
    page = browser.get(reverse("review:study", args=[seen.radiograph.study_id])).text
    assert "Sign with a passkey" not in page
    assert sign(browser, seen, json.dumps({"id": "x"})).status_code == 422


def test_a_passkey_unlocks_the_session(browser: Client, passkey: SoftPasskey) -> None:
    browser.post(reverse("lock"))
    assert browser.get("/worklist", headers={"Accept": "text/html"}).status_code == 423
    asked = options(browser, "unlock-passkey")
    accept = {"Accept": "application/json"}
    stranger = {"passkey": SoftPasskey().answer(asked)}
    refused = browser.post(reverse("unlock"), stranger, headers=accept)
    assert (refused.status_code, "does not know" in refused.json()["detail"]) == (422, True)
    assert audit_actions()[-1] == Action.UNLOCK_FAILED
    values = {"passkey": passkey.answer(options(browser, "unlock-passkey"))}
    assert browser.post(reverse("unlock"), values, headers=accept).status_code == 204
    assert browser.get("/worklist").status_code == 200
