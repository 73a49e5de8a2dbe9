"""Amending a read and taking a signature back, on the pages and over REST."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from tests.conftest import PASSWORD
from tests.factories import make_prediction
from tests.helpers import let_time_pass
from tests.reading import identity_field, look_at, present_identity, sign
from webportal.accounts.models import Role, User
from webportal.inference.models import Prediction
from webportal.review.models import Read
from webportal.review.reads.marks import Mark
from webportal.review.reads.queries import own_draft, signed_read
from webportal.review.reads.services import Entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def prediction() -> Prediction:
    return make_prediction(category="likely")


@pytest.fixture
def signed(prediction: Prediction, radiologist: User) -> Read:
    entry = Entry(
        prediction.pk,
        "overrule",
        "none",
        other_findings=("effusion",),
        marks=(Mark(prediction.radiograph_id, "effusion", column=3, row=4),),
        comment="Clear lungs.",
    )
    return sign(prediction.radiograph.study, radiologist, entry, PASSWORD)


@pytest.fixture
def program(radiologist: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(radiologist)
    return client


def page(read: Read) -> str:
    return reverse("review:study", args=[read.study_id])


def amendment(read: Read, **values: str) -> dict[str, str]:
    given = {
        "seen": str(read.prediction_id),
        "images": "1",
        "choice": "confirm:definite",
        "comment": "Consolidation behind the heart.",
        "amends": str(read.pk),
        "reason": "Missed behind the heart",
        "password": PASSWORD,
    }
    return given | identity_field(read.study) | values


def test_the_form_is_filled_with_the_signed_read(browser: Client, signed: Read) -> None:
    shown = browser.get(page(signed))
    assert f'href="{page(signed)}?amend=1"' in shown.content.decode()
    assert "data-read " not in shown.content.decode()
    form = browser.get(page(signed) + "?amend=1").context["form"]
    values = {name: form[name].value() for name in ("choice", "other_findings", "comment")}
    assert values == {
        "choice": "overrule:none",
        "other_findings": ["effusion"],
        "comment": "Clear lungs.",
    }
    # Its marks are in the form, and not on the picture a second time.
    assert browser.get(page(signed) + "?amend=1").context["viewer_data"]["marks"] == []
    assert len(shown.context["viewer_data"]["marks"]) == 1


def test_amended_on_the_page(browser: Client, signed: Read) -> None:
    sent = browser.post(reverse("review:sign", args=[signed.study_id]), amendment(signed))
    assert sent.headers["Location"] == page(signed)
    text = browser.get(page(signed)).content.decode()
    assert "The amendment is signed." in text
    counting = signed_read(signed.study)
    assert counting is not None
    assert (counting.amends, counting.reason) == (signed, "Missed behind the heart")
    heading, _, superseded = text.partition("What it superseded")
    assert "Definite pneumonia" in heading.rpartition('id="read-heading"')[2]
    assert "Missed behind the heart" in heading
    assert "<s>No pneumonia" in superseded
    assert "Clear lungs." in superseded
    # The marks of what was superseded are on no picture any more.
    assert browser.get(page(signed)).context["viewer_data"]["marks"] == []
    history = browser.get(reverse("records:patient", args=[signed.study.patient_id]))
    assert history.content.decode().count(">Definite pneumonia</strong>") == 1
    assert ">No pneumonia</strong>" not in history.content.decode()
    entry = browser.get(page(signed)).context["timeline"][0]
    assert [read.pneumonia for read in entry.reads] == ["definite"]


def test_a_refused_amendment_keeps_its_form(browser: Client, signed: Read) -> None:
    address = reverse("review:sign", args=[signed.study_id])
    refused = browser.post(address, amendment(signed, password="guess"))
    assert refused.status_code == 422
    text = refused.content.decode()
    assert 'value="Missed behind the heart"' in text
    assert "Sign the amendment" in text
    refused = browser.post(address, amendment(signed, reason=""))
    assert "Say why you amend the read." in refused.content.decode()


def test_a_started_amendment_is_kept_and_can_be_discarded(
    browser: Client, signed: Read, radiologist: User
) -> None:
    address = reverse("review:draft", args=[signed.study_id])
    saved = browser.post(address, amendment(signed), headers={"HX-Request": "true"})
    assert saved.headers["X-Saved"] == "yes"
    text = browser.get(page(signed)).content.decode()
    assert "You have started to amend your read" in text
    assert "Consolidation behind the heart." not in text  # it is not an addendum
    form = browser.get(page(signed) + "?amend=1").context["form"]
    assert form["choice"].value() == "confirm:definite"
    assert form["reason"].value() == "Missed behind the heart"
    browser.post(reverse("review:discard-draft", args=[signed.study_id]))
    assert own_draft(signed.study, radiologist) is None


def test_nobody_else_is_offered_to_amend_it(
    signed: Read, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    other = sign_in(make_user(Role.RADIOLOGIST, username="other"))
    for address in (page(signed), page(signed) + "?amend=1"):
        text = other.get(address).content.decode()
        assert "Amend your read" not in text
        assert "Add an addendum" in text


def test_an_open_page_says_that_the_read_was_amended(browser: Client, signed: Read) -> None:
    status = reverse("review:status", args=[signed.study_id])
    query = {"seen": str(signed.prediction_id), "due": "", "counts": str(signed.pk)}
    assert "amended" not in browser.get(status, query).content.decode()
    browser.post(reverse("review:sign", args=[signed.study_id]), amendment(signed))
    assert "has been amended since" in browser.get(status, query).content.decode()


def test_a_signature_is_taken_back_from_the_next_page(
    browser: Client, prediction: Prediction, radiologist: User
) -> None:
    other = make_prediction(category="unlikely").radiograph.study
    study = prediction.radiograph.study
    entry = {"seen": str(prediction.pk), "images": "1", "choice": "confirm:definite"}
    entry |= {"password": PASSWORD, "then": "next"} | identity_field(study)
    look_at(study, radiologist)
    sent = browser.post(reverse("review:sign", args=[study.pk]), entry)
    assert sent.headers["Location"] == reverse("review:study", args=[other.pk])
    following = browser.get(sent.headers["Location"])
    read = study.reads.get()
    address = reverse("review:take-back", args=[read.pk])
    text = following.content.decode()
    assert f'action="{address}"' in text
    assert 27 <= following.context["take_back"]["seconds"] <= 30
    # Neither the offer nor what is kept for it names the patient.
    assert study.patient.display_name not in text
    # It says which read it is, elsewhere than on the page of its study.
    signed_at = timezone.localtime(read.signed_at)
    assert f"Take back “Definite pneumonia” of {signed_at:%H:%M}" in text
    worklist = browser.get(reverse("review:worklist")).content.decode()
    assert f'href="{reverse("review:study", args=[study.pk])}">Show it' in worklist
    own = browser.get(reverse("review:study", args=[study.pk])).content.decode()
    assert "Take back <span" in own
    # It is on other pages too, and after a reload.
    for again in (reverse("review:worklist"), sent.headers["Location"]):
        assert f'action="{address}"' in browser.get(again).content.decode()
    taken = browser.post(address, follow=True)
    assert taken.redirect_chain == [(reverse("review:study", args=[study.pk]), 302)]
    assert "Your signature is taken back." in taken.content.decode()
    assert taken.context["form"]["choice"].value() == "confirm:definite"
    assert "data-take-back" not in taken.content.decode()
    assert own_draft(study, radiologist) is not None


def test_the_page_says_if_it_is_too_late(browser: Client, signed: Read) -> None:
    let_time_pass()
    taken = browser.post(reverse("review:take-back", args=[signed.pk]), follow=True)
    assert "The 30 seconds for taking a signature back are over." in taken.content.decode()
    assert "Amend your read" in taken.content.decode()
    assert signed_read(signed.study) == signed


def test_over_rest(program: APIClient, signed: Read, make_user: Callable[..., User]) -> None:
    given = {
        "prediction": str(signed.prediction_id),
        "decision": "confirm",
        "pneumonia": "definite",
        "amends": str(signed.pk),
        "identity": present_identity(signed.study),
        "password": PASSWORD,
    }
    sign_at = f"/api/v1/studies/{signed.study_id}/sign"
    refused = program.post(sign_at, given, format="json")
    assert (refused.status_code, refused.json()["type"].endswith("incomplete")) == (400, True)
    answer = program.post(sign_at, given | {"reason": "Missed"}, format="json")
    assert answer.status_code == 200
    made = answer.json()
    assert (made["amends"], made["revision"], made["reason"]) == (str(signed.pk), 1, "Missed")
    old = program.get(f"/api/v1/reads/{signed.pk}").json()
    assert (old["superseded_by"], old["state"]) == (made["id"], "signed")
    standing = program.get(f"/api/v1/reads?study={signed.study_id}&stands=true").json()
    assert [each["id"] for each in standing["results"]] == [made["id"]]
    other = APIClient()
    other.force_authenticate(make_user(Role.RADIOLOGIST, username="other"))
    stranger = other.post(sign_at, given | {"reason": "No"}, format="json")
    assert stranger.status_code == 403
    assert other.post(f"/api/v1/reads/{made['id']}/take-back").status_code == 403
    taken = program.post(f"/api/v1/reads/{made['id']}/take-back")
    assert taken.status_code == 200
    assert (taken.json()["state"], taken.json()["pneumonia"]) == ("draft", "definite")
    assert program.get(f"/api/v1/reads/{signed.pk}").json()["superseded_by"] is None
    let_time_pass()
    late = program.post(f"/api/v1/reads/{signed.pk}/take-back")
    assert late.status_code == 409
    assert "30 seconds" in late.json()["detail"]
