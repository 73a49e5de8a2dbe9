"""The study page: what it shows, saves and refuses."""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_job, make_prediction, make_radiograph, make_study
from tests.helpers import audit_actions
from tests.reading import identity_field, look_at, sign
from webportal.accounts.models import Role, User
from webportal.records.models import Study
from webportal.review.models import Read
from webportal.review.reads.services import Entry, save_draft

pytestmark = pytest.mark.django_db


def open_page(browser: Client, study: Study) -> str:
    answer = browser.get(reverse("review:study", args=[study.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def post(browser: Client, page: str, study: Study, **values: Any) -> Any:
    """Send a form as a page opened now would, after its reader has seen the images."""
    look_at(study, User.objects.get(pk=browser.session["_auth_user_id"]))
    address = reverse(f"review:{page}", args=[study.pk])
    return browser.post(address, identity_field(study) | values)


def test_opening_is_audited_and_polling_is_not(browser: Client) -> None:
    study = make_prediction().radiograph.study
    open_page(browser, study)
    browser.get(reverse("review:status", args=[study.pk]))
    assert audit_actions(study_id=study.pk) == ["study.viewed"]


def test_result_in_words_with_its_card(browser: Client) -> None:
    prediction = make_prediction(category="likely", probability=0.93)
    page = open_page(browser, prediction.radiograph.study)
    assert "Pneumonia likely · 93 %" in page
    assert reverse("inference:model", args=[prediction.model_version.pk]) in page
    assert "This is not a diagnosis" in page


def test_not_assessable_is_shown_with_the_reason_and_without_a_figure(browser: Client) -> None:
    prediction = make_prediction(category="not_assessable")
    page = open_page(browser, prediction.radiograph.study)
    assert str(prediction.reason) in page
    assert "confirms the model" not in page
    assert 'value="unaided:none"' in page
    assert '"heatmap": ""' in page


@pytest.mark.parametrize(
    ("state", "words", "way_out"),
    [
        ("queued", "Queued", "review:cancel"),
        ("running", "Being analysed", None),
        ("quarantined", "Model failed", "review:release"),
        ("cancelled", "Analysis cancelled", "review:rerun"),
    ],
)
def test_states_without_a_result_offer_the_possible_actions(
    state: str, words: str, way_out: str | None, browser: Client
) -> None:
    job = make_job(state=state)
    page = open_page(browser, job.radiograph.study)
    assert words in page
    addresses = {
        name: reverse(name, args=[job.radiograph.pk if name == "review:rerun" else job.pk])
        for name in ("review:cancel", "review:release", "review:rerun")
    }
    assert [name for name, address in addresses.items() if address in page] == (
        [way_out] if way_out else []
    )
    if way_out:
        browser.post(addresses[way_out])
        job.radiograph.refresh_from_db()
        latest = job.radiograph.jobs.first()
        assert latest is not None
        assert latest.state == ("cancelled" if state == "queued" else "queued")


def test_several_radiographs_open_on_the_worst(browser: Client) -> None:
    study = make_study()
    make_prediction(make_radiograph(study), "unlikely")
    worst = make_prediction(make_radiograph(study), "indeterminate")
    answer = browser.get(reverse("review:study", args=[study.pk]))
    assert len(answer.context["radiographs"]) == 2
    assert answer.context["first"].prediction == worst


def test_signing_opens_the_next_study(browser: Client) -> None:
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study
    values = {
        "seen": prediction.pk,
        "images": 1,
        "choice": "overrule:none",
        "comment": "Fold of skin.",
    }
    answer = post(browser, "sign", study, **values, password=PASSWORD)
    assert answer.status_code == 302
    page = open_page(browser, study)
    assert "Overrules" in page
    assert "Fold of skin." in page
    assert "Next study" in page
    assert 'name="choice"' not in page


@pytest.mark.parametrize("password", ["", "guess"])
def test_a_wrong_password_keeps_all_input(password: str, browser: Client) -> None:
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study
    answer = post(
        browser,
        "sign",
        study,
        seen=prediction.pk,
        choice="confirm:possible",
        other_findings=["effusion"],
        comment="Left base.",
        password=password,
    )
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "That is not your password." in page
    assert "Left base." in page
    assert 'value="confirm:possible" checked' in page
    assert audit_actions(study_id=study.pk, action="read.signature_failed")
    study.refresh_from_db()
    assert study.reading_state == "unread"


def test_a_changed_result_is_shown_before_signing(browser: Client) -> None:
    old = make_prediction(category="likely")
    study = old.radiograph.study
    new = make_prediction(old.radiograph, "unlikely")
    news = browser.get(reverse("review:status", args=[study.pk]), {"seen": str(old.pk)})
    assert "another result" in news.content.decode()
    values = {"choice": "confirm:definite", "comment": "Kept.", "password": PASSWORD}
    answer = post(browser, "sign", study, seen=old.pk, images=1, **values)
    page = answer.content.decode()
    assert "has changed since you opened this page" in page
    assert "Kept." in page
    assert f'name="seen" value="{new.pk}"' in page
    assert "Pneumonia unlikely" in page
    assert "checked" not in page.split("data-read-key")[1].split("Where")[0]
    values["choice"] = "overrule:definite"
    assert post(browser, "sign", study, seen=new.pk, images=1, **values).status_code == 302


def test_a_page_opened_before_another_signature_shows_it(
    browser: Client, make_user: Callable[..., User]
) -> None:
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study

    def news() -> str:
        address = re.search('hx-post="([^"]+/status[^"]*)"', page)
        assert address is not None
        return browser.post(html.unescape(address[1])).content.decode()

    page = open_page(browser, study)
    assert "has signed" not in news()
    other = make_user(Role.RADIOLOGIST, username="other")
    sign(study, other, Entry(prediction.pk, "confirm", "definite"), PASSWORD)
    assert "other has signed this study" in news()
    page = open_page(browser, study)
    assert "has signed" not in news()


def test_a_poll_offers_a_reservation_to_those_whom_the_page_offers_it(
    make_user: Callable[..., User], sign_in: Callable[[User], Client], settings: Settings
) -> None:
    """Neither the first reader nor an auditor can be the second reader."""
    settings.SECOND_READING, settings.SECOND_READING_SHARE = True, 1.0
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study
    people = [make_user(Role.RADIOLOGIST, username=name) for name in ("first", "second")]
    people.append(make_user(Role.RADIOLOGIST, Role.AUDITOR, username="auditor"))

    def offered() -> list[bool]:
        found = []
        for person in people:
            browser = sign_in(person)
            texts = open_page(browser, study), post(browser, "status", study).text
            on_page, on_poll = ("Reserve it for me" in text for text in texts)
            assert on_page == on_poll, person
            found.append(on_poll)
        return found

    assert offered() == [True, True, True]
    sign(study, people[0], Entry(prediction.pk, "confirm", "definite"), PASSWORD)
    assert offered() == [False, True, False]
    sign(study, people[1], Entry(prediction.pk, "overrule", "none"), PASSWORD)
    assert offered() == [False, False, True]


def test_the_second_reader_is_offered_an_addendum(
    browser: Client, radiologist: User, make_user: Callable[..., User]
) -> None:
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study
    other = make_user(Role.RADIOLOGIST, username="other")
    sign(study, other, Entry(prediction.pk, "confirm", "definite"), PASSWORD)
    answer = post(
        browser,
        "sign",
        study,
        seen=prediction.pk,
        choice="overrule:none",
        comment="Fold of skin.",
        password=PASSWORD,
    )
    page = answer.content.decode()
    assert "other has signed this study in the meantime" in page
    assert "My own read: No pneumonia.\nFold of skin." in page
    values = {"reason": "Second opinion", "text": "Fold of skin.", "images": 1}
    values["addendum_password"] = PASSWORD
    assert post(browser, "addendum", study, **values).status_code == 302
    assert Read.objects.get().addenda.get().author == radiologist


def test_a_refused_addendum_stays_with_its_author(
    browser: Client,
    radiologist: User,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> None:
    prediction = make_prediction(category="unlikely")
    study = prediction.radiograph.study
    sign(study, radiologist, Entry(prediction.pk, "confirm", "none"), PASSWORD)
    values = {"reason": "Late", "text": "Small effusion.", "addendum_password": PASSWORD}
    values |= {"reader": str(radiologist.pk), "images": "1"}
    other = sign_in(make_user(Role.RADIOLOGIST, username="other"))
    answer = post(other, "addendum", study, **values)
    assert answer.status_code == 422
    # Who has signed in meanwhile must not sign another's words by trying once more.
    assert f'name="reader" value="{radiologist.pk}"' in answer.content.decode()


def test_an_addendum_with_a_wrong_password_keeps_its_text(
    browser: Client, radiologist: User
) -> None:
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study
    sign(study, radiologist, Entry(prediction.pk, "confirm", "definite"), PASSWORD)
    values = {"reason": "Late", "text": "Small effusion.", "addendum_password": "guess"}
    answer = post(browser, "addendum", study, **values)
    page = answer.content.decode()
    assert "That is not your password." in page
    assert "Small effusion." in page


def test_drafts_are_saved_while_typing(browser: Client, radiologist: User) -> None:
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study
    address = reverse("review:draft", args=[study.pk])
    values = {"seen": str(prediction.pk), "choice": "", "comment": "Half a"}
    answer = browser.post(address, values, headers={"HX-Request": "true"})
    assert "Draft saved at" in answer.content.decode()
    assert Read.objects.get().comment == "Half a"
    assert "Half a" in open_page(browser, study)


def test_an_answer_says_whether_another_window_has_saved_the_draft(browser: Client) -> None:
    prediction = make_prediction(category="likely")
    address = reverse("review:draft", args=[prediction.radiograph.study_id])

    def outcome(comment: str, **values: str) -> str:
        sent = {"seen": str(prediction.pk), "choice": "", "comment": comment} | values
        return browser.post(address, sent, headers={"HX-Request": "true"}).headers["X-Saved"]

    assert outcome("first", version="") == "yes"
    assert outcome("late", version="of the other window") == "conflict"
    assert outcome("wrong", choice="confirm:perhaps") == "no"


def test_a_draft_on_another_result_is_marked(browser: Client, radiologist: User) -> None:
    old = make_prediction(category="likely")
    study = old.radiograph.study
    save_draft(study, radiologist, Entry(old.pk, "confirm", "definite"))
    assert "Check your decision" not in open_page(browser, study)
    make_prediction(old.radiograph, "likely")
    assert "Check your decision" in open_page(browser, study)


def test_a_newer_result_never_changes_a_signed_read(browser: Client, radiologist: User) -> None:
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study
    sign(study, radiologist, Entry(prediction.pk, "confirm", "definite"), PASSWORD)
    make_prediction(prediction.radiograph, "unlikely")
    page = open_page(browser, study)
    assert "another result since this read was signed" in page
    assert "Confirms" in page


def test_another_readers_draft_is_not_shown(
    browser: Client, make_user: Callable[..., User]
) -> None:
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study
    other = make_user(Role.RADIOLOGIST, username="other")
    save_draft(study, other, Entry(prediction.pk, "confirm", "definite", comment="My secret"))
    assert "My secret" not in open_page(browser, study)
    history = browser.get(reverse("records:patient", args=[study.patient_id]))
    assert "My secret" not in history.content.decode()


def test_other_studies_show_scores_and_signed_findings(browser: Client, radiologist: User) -> None:
    earlier = make_prediction(category="unlikely")
    patient = earlier.radiograph.study.patient
    entry = Entry(earlier.pk, "overrule", "possible")
    sign(earlier.radiograph.study, radiologist, entry, PASSWORD)
    page = open_page(
        browser, make_prediction(make_radiograph(make_study(patient=patient))).radiograph.study
    )
    assert "Pneumonia unlikely · 4 %" in page
    assert "Possible pneumonia" in page.split("Other studies of the patient")[1]


def test_the_audit_trail_is_linked_only_for_auditors(
    browser: Client, sign_in: Callable[[User], Client], make_user: Callable[..., User]
) -> None:
    study = make_prediction().radiograph.study
    assert "Audit trail of this study" not in open_page(browser, study)
    both = sign_in(make_user(Role.RADIOLOGIST, Role.AUDITOR, username="both"))
    assert "Audit trail of this study" in open_page(both, study)


def test_no_inline_script_or_style(browser: Client) -> None:
    study = make_prediction().radiograph.study
    for address in (reverse("review:study", args=[study.pk]), reverse("review:worklist")):
        page = browser.get(address).content.decode()
        assert " style=" not in page
        assert "<style" not in page
        assert " onclick=" not in page


def test_a_date_without_a_time_is_shown_without_a_time(browser: Client) -> None:
    day = datetime(2026, 1, 5, tzinfo=UTC)
    study = make_study(performed_at=day)
    page = browser.get(reverse("review:study", args=[study.pk])).text
    assert "2026-01-05<" in page
    assert "2026-01-05 00:00" not in page
    Study.objects.filter(pk=study.pk).update(performed_at=day.replace(hour=8, minute=30))
    assert "2026-01-05 08:30" in browser.get(reverse("review:study", args=[study.pk])).text


def test_browsers_do_not_autofill_the_signing_password(browser: Client, radiologist: User) -> None:
    study = make_prediction().radiograph.study
    passwords = re.findall(r'<input[^>]*type="password"[^>]*>', open_page(browser, study))
    assert passwords
    assert all('autocomplete="new-password"' in field for field in passwords)


def test_a_draft_is_discarded_only_after_a_second_click(browser: Client, radiologist: User) -> None:
    prediction = make_prediction()
    study = prediction.radiograph.study
    assert "Discard for good" not in open_page(browser, study)
    save_draft(study, radiologist, Entry(prediction.pk, comment="Effusion"))
    asked = re.search(r"<details class=\"discard\">.*?</details>", open_page(browser, study), re.S)
    assert asked is not None
    assert reverse("review:discard-draft", args=[study.pk]) in asked[0]
