"""Who reads first finds no result on any page before they have signed or opened the results.

The same pages are asked for twice, with other results of the unread studies, and have to be the
same to the letter.
"""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfReader

from tests.factories import (
    PROBABILITIES,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
)
from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.intake.batches import services
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.records.choices import Category, Concern
from webportal.records.models import Study
from webportal.review.models import Read, ReadingPreference, SecondReading
from webportal.review.worklist.columns import COLUMNS, remember_columns
from webportal.review.worklist.order import ORDERS

pytestmark = pytest.mark.django_db

LIKELY = "Pneumonia likely"


@pytest.fixture
def reader(radiologist: User) -> User:
    ReadingPreference.objects.create(reader=radiologist, reads_first=True)
    remember_columns(radiologist, COLUMNS)
    return radiologist


@pytest.fixture
def browser(reader: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(reader)


@pytest.fixture
def unread() -> list[Study]:
    return [study_with(result) for result in PROBABILITIES]


def study_with(result: str, state: str = "unread") -> Study:
    study = make_study(patient=make_patient())
    make_prediction(make_radiograph(study), result)
    hours = 5 * Study.objects.count()
    received = timezone.now() - timedelta(days=2, hours=hours)
    Study.objects.filter(pk=study.pk).update(created_at=received, reading_state=state)
    return study


def give_other_results(studies: list[Study]) -> None:
    results = list(PROBABILITIES)
    for study in studies:
        study.refresh_from_db()
        other = results[(results.index(Category(study.category)) + 1) % len(results)]
        refused = other == Category.NOT_ASSESSABLE
        probability = None if refused else 0.5
        Prediction.objects.filter(radiograph__study=study).update(
            category=other,
            probability=probability,
            reason_params={"text": "Not frontal."} if refused else {},
            reason_code="x" if refused else "",
        )
        Study.objects.filter(pk=study.pk).update(
            category=other, probability=probability, concern=Concern[other.name]
        )


def page(browser: Client, query: str = "") -> str:
    text = browser.get(f"{reverse('review:worklist')}?{query}").content.decode()
    return re.sub(r'csrfmiddlewaretoken" value="\w+"|CSRFToken": "\w+"', "", text)


def test_no_list_of_unread_studies_reveals_a_result(browser: Client, unread: list[Study]) -> None:
    filters = ["", "category=likely", "category=none", "queue=queued", "priority=2"]
    queries = [f"state={state}&{each}" for state, each in product(["unread", "all"], filters)]
    queries += [f"state={state}&order={order}" for state, order in product(["", "all"], ORDERS)]
    before = [page(browser, query) for query in queries]
    assert "Hidden until you have read it" in before[0]
    assert 'name="category"' not in before[0]
    assert all(LIKELY not in each for each in before)
    give_other_results(unread)
    for query, text in zip(queries, before, strict=True):
        assert page(browser, query) == text, query


def test_the_most_urgent_come_first_regardless_of_the_result(
    browser: Client, unread: list[Study]
) -> None:
    Study.objects.filter(pk=unread[0].pk).update(priority=0)
    shown = re.findall(r'id="row-([\w-]+)"', page(browser))
    by_waiting = sorted(Study.objects.exclude(pk=unread[0].pk), key=lambda each: each.created_at)
    assert shown == [str(study.pk) for study in [unread[0], *by_waiting]]


def test_results_are_shown_once_they_are_opened_and_closed_again(
    browser: Client, unread: list[Study]
) -> None:
    address = reverse("review:worklist")
    answer = browser.post(reverse("review:open-results"), {"open": "on", "next": address})
    assert answer["Location"] == address
    text = page(browser)
    assert LIKELY in text
    assert "Close the results" in text
    assert LIKELY in page(browser, "category=likely")
    browser.post(reverse("review:open-results"), {"next": address})
    assert LIKELY not in page(browser)


def test_signed_studies_show_their_result(browser: Client, reader: User) -> None:
    signed = study_with("likely", state="signed")
    text = page(browser, "state=signed")
    assert str(signed.pk) in text
    assert LIKELY in text
    assert "Open the results" not in text


def test_ones_own_read_opens_the_result_of_a_study_awaiting_another(
    browser: Client, reader: User
) -> None:
    study = study_with("likely")
    Read.objects.create(
        study=study,
        reader=reader,
        state="signed",
        decision="unaided",
        pneumonia="none",
        signed_at=timezone.now(),
    )
    assert LIKELY in page(browser)


def test_readers_who_do_not_read_first_see_results_as_before(
    radiologist: User, sign_in: Callable[[User], Client], unread: list[Study]
) -> None:
    text = page(sign_in(radiologist))
    assert LIKELY in text
    assert "Open the results" not in text


@pytest.fixture
def batch(reader: User) -> UploadBatch:
    return services.create_batch(reader, name="Night")


def put_into(batch: UploadBatch, studies: list[Study]) -> None:
    for number, study in enumerate(studies):
        radiograph = study.radiographs.get()
        UploadItem.objects.create(
            batch=batch,
            file_name=f"{number}.png",
            sha256=radiograph.original_sha256,
            size=1,
            verdict=Verdict.ACCEPTED,
            radiograph=radiograph,
        )


def open_results(browser: Client) -> None:
    browser.post(reverse("review:open-results"), {"open": "on", "next": "/"})


def signed_by(reader: User, study: Study, **fields: Any) -> Read:
    values: dict[str, Any] = {"decision": "unaided", "pneumonia": "none"} | fields
    return Read.objects.create(
        study=study, reader=reader, state="signed", signed_at=timezone.now(), **values
    )


def test_the_results_of_an_upload_are_closed_and_can_be_opened_there(
    browser: Client, batch: UploadBatch, unread: list[Study]
) -> None:
    put_into(batch, unread)
    address = f"/uploads/{batch.pk}/results"

    def shown(query: str) -> str:
        text = browser.get(f"{address}{query}").content.decode()
        return re.sub(r'csrfmiddlewaretoken" value="\w+"|CSRFToken": "\w+"', "", text)

    queries = ["", "?sort=result", "?sort=-result", ".csv", ".csv?sort=result"]
    before = [shown(query) for query in queries]
    assert "hidden until your own read is signed" in before[0]
    assert "Open the results" in before[0]
    lines = list(csv.DictReader(io.StringIO(before[3].removeprefix("\ufeff"))))
    assert [(line["category"], line["result_withheld"]) for line in lines] == [("", "yes")] * 4
    give_other_results(unread)
    assert [shown(query) for query in queries] == before
    open_results(browser)
    assert LIKELY in shown("")
    lines = list(csv.DictReader(io.StringIO(shown(".csv").removeprefix("\ufeff"))))
    assert all(line["category"] and not line["result_withheld"] for line in lines)


def test_exported_results_of_an_upload_are_closed_too(
    browser: Client, batch: UploadBatch, unread: list[Study]
) -> None:
    put_into(batch, unread)

    def printed() -> str:
        data = browser.get(f"/uploads/{batch.pk}/results.pdf").content
        pages = "".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)
        return " ".join(pages.split())

    assert LIKELY not in printed()
    assert "hidden until your own" in printed()
    open_results(browser)
    assert LIKELY in printed()


def test_the_patient_page_keeps_results_closed_until_they_are_opened(
    browser: Client, reader: User
) -> None:
    study = study_with("likely")
    address = reverse("records:patient", args=[study.patient_id])
    text = browser.get(address).content.decode()
    assert "Closed until you have signed your own read" in text
    assert LIKELY not in text
    assert "Open the results" in text
    open_results(browser)
    assert LIKELY in browser.get(address).content.decode()
    browser.post(reverse("review:open-results"), {"next": address})
    signed_by(reader, study)
    assert LIKELY in browser.get(address).content.decode()


def test_anothers_decision_on_a_closed_result_is_hidden_on_the_patient_page(
    browser: Client, make_user: Callable[..., User]
) -> None:
    study = study_with("likely")
    other = make_user("radiologist", username="other")
    signed_by(other, study, decision="overrule", prediction=Prediction.objects.get())
    address = reverse("records:patient", args=[study.patient_id])
    text = browser.get(address).content.decode()
    assert "Signed by other" in text
    assert "Overrules" not in text
    open_results(browser)
    assert "Overrules" in browser.get(address).content.decode()


def test_an_unread_prior_keeps_its_result_closed(browser: Client, reader: User) -> None:
    other = study_with("likely")
    shown = make_study(patient=other.patient)
    make_prediction(make_radiograph(shown), "unlikely")
    address = reverse("review:study", args=[shown.pk])

    def listed() -> str:
        text = browser.get(address).content.decode()
        return text.split('<ol class="timeline">')[1].split("</ol>")[0]

    # Even where the study itself is read, and its own result stands open.
    signed_by(reader, shown)
    Study.objects.filter(pk=shown.pk).update(reading_state="signed")
    assert "result hidden until your read" in listed()
    assert LIKELY not in listed()
    open_results(browser)
    assert LIKELY in listed()


def test_ones_own_read_opens_the_result_on_the_study_page(browser: Client, reader: User) -> None:
    study = study_with("likely")
    address = reverse("review:study", args=[study.pk])
    assert "data-machine-result" in browser.get(address).content.decode()
    signed_by(reader, study)
    # It waits for a second reader, and is no longer this reader's to read.
    SecondReading.objects.create(study=study, reason="drawn", due="second")
    assert "data-machine-result" not in browser.get(address).content.decode()
