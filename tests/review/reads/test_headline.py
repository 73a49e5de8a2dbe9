"""For a signed study the reader's finding comes first, with the model's result beside it."""

import csv
import io
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pypdf import PdfReader
from rest_framework.test import APIClient

from tests.conftest import PASSWORD
from tests.factories import make_prediction
from tests.helpers import let_time_pass
from tests.reading import add_addendum, sign
from webportal.accounts.models import Role, User
from webportal.intake.batches import services
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.records.choices import ReadingState
from webportal.records.models import Study
from webportal.review.models import Read, SecondReading
from webportal.review.reads.headline import Finding, findings_of
from webportal.review.reads.services import Entry

pytestmark = pytest.mark.django_db


def signed(finding: str = "none", category: str = "likely", by: User | None = None) -> Read:
    """A read of a study of its own, signed by `by`."""
    assert by is not None
    seen = make_prediction(category=category)
    decision = {"": "not_interpretable"}.get(finding, "overrule")
    if (finding == "none") == (category == "unlikely") and finding:
        decision = "confirm"
    if category == "not_assessable":
        decision = "unaided"
    return sign(seen.radiograph.study, by, Entry(seen.pk, decision, finding), PASSWORD)


def finding_of(read: Read, person: User) -> Finding | None:
    return findings_of([read.study_id], person).get(read.study_id)


@pytest.mark.parametrize(
    ("finding", "category", "stands"),
    [
        ("none", "likely", "overruled"),
        ("definite", "likely", "agrees"),
        ("definite", "unlikely", "overruled"),
        ("none", "unlikely", "agrees"),
        ("", "likely", ""),
        ("possible", "not_assessable", ""),
    ],
)
def test_agreement_or_overrule_is_shown(
    finding: str, category: str, stands: str, radiologist: User
) -> None:
    found = finding_of(signed(finding, category, radiologist), radiologist)
    assert found is not None
    assert found.value == (finding or "not_interpretable")
    assert found.against(category) == stands


def test_a_later_result_is_not_shown_as_overruled(radiologist: User) -> None:
    read = signed("definite", "likely", radiologist)
    make_prediction(read.study.radiographs.get(), "unlikely")
    found = finding_of(read, radiologist)
    assert found is not None
    assert found.against("unlikely") == "differs"


def test_amendments_addenda_and_late_images_are_shown(
    radiologist: User, make_user: Callable[..., User]
) -> None:
    read = signed("none", "likely", radiologist)
    amended = sign(
        read.study,
        radiologist,
        Entry(read.prediction_id, "confirm", "definite", amends=read.pk, reason="Misread"),
        PASSWORD,
    )
    add_addendum(amended, make_user(Role.RADIOLOGIST, username="o"), "Why", "What", PASSWORD)
    Study.objects.filter(pk=read.study_id).update(reading_state="unread")
    found = finding_of(read, radiologist)
    assert found is not None
    assert (found.value, found.is_amended, found.addenda, found.covers_all) == (
        "definite",
        True,
        1,
        False,
    )


def test_none_counts_while_another_read_is_pending(
    radiologist: User, make_user: Callable[..., User]
) -> None:
    read = signed("none", "likely", radiologist)
    order = SecondReading.objects.create(study=read.study, reason="drawn")
    other = make_user(Role.RADIOLOGIST, username="other")
    for due in ("second", "arbitration"):
        SecondReading.objects.update(due=due)
        assert finding_of(read, radiologist) is finding_of(read, other) is None
    order.due = ""
    order.save()
    assert finding_of(read, other) is not None


def test_findings_are_for_radiologists(radiologist: User, uploader: User) -> None:
    read = signed("none", "likely", radiologist)
    assert finding_of(read, uploader) is None
    program = APIClient()
    program.force_authenticate(uploader)
    assert program.get(f"/api/v1/studies/{read.study_id}").json()["finding"] is None


def test_the_worklist_shows_the_finding_first(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    signed("none", "likely", radiologist)
    browser = sign_in(radiologist)
    for state in ("signed", "all"):
        text = browser.get(reverse("review:worklist"), {"state": state}).content.decode()
        row = text.partition('<td class="col-result">')[2].partition("</td>")[0]
        shown = [
            row.index(words)
            for words in ("No pneumonia", "Model:", "Pneumonia likely", "overruled")
        ]
        assert shown == sorted(shown)
        assert "finding-none" in row
        # In no red: that is for findings now.
        assert row.index("beside-finding") < row.index("category-likely")
        assert "model: likely" in text


def test_the_worklist_needs_no_more_queries_for_many_signed_studies(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(radiologist)
    counts = []
    for _ in range(2):
        signed("none", "likely", radiologist)
        signed("definite", "likely", radiologist)
        with CaptureQueriesContext(connection) as queries:
            browser.get(reverse("review:worklist"), {"state": "signed"})
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_timeline_history_and_study_page_show_it_first(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    read = signed("none", "likely", radiologist)
    browser = sign_in(radiologist)
    page = browser.get(reverse("review:study", args=[read.study_id])).content.decode()
    assert page.index('id="read-heading"') < page.index('id="machine-heading"')
    entry = page.partition('class="timeline-entry')[2].partition("</li>")[0]
    assert entry.index("No pneumonia") < entry.index("Model:") < entry.index("Pneumonia likely")
    assert "overruled" in entry
    address = reverse("records:patient", args=[read.study.patient_id])
    history = browser.get(address).content.decode()
    assert history.index("history-person") < history.index("history-machine is-second")


def test_over_rest_the_finding_is_beside_the_result(radiologist: User) -> None:
    read = signed("none", "likely", radiologist)
    program = APIClient()
    program.force_authenticate(radiologist)
    study = program.get(f"/api/v1/studies/{read.study_id}").json()
    assert study["finding"]["value"] == "none"
    assert study["finding"]["read"] == str(read.pk)
    assert study["finding"]["reader_name"] == str(radiologist)
    assert study["result"]["category"] == "likely"
    assert study["result"]["model_is"] == "overruled"
    unread = make_prediction(category="likely").radiograph.study_id
    study = program.get(f"/api/v1/studies/{unread}").json()
    assert (study["finding"], study["result"]["model_is"]) == (None, "")


@pytest.fixture
def batch(radiologist: User, uploader: User) -> UploadBatch:
    """An upload of one file, whose study is signed."""
    read = signed("none", "likely", radiologist)
    radiograph = read.study.radiographs.get()
    batch = services.create_batch(uploader, name="Night shift")
    UploadItem.objects.create(
        batch=batch,
        file_name="a.dcm",
        sha256=radiograph.original_sha256,
        size=1,
        verdict=Verdict.ACCEPTED,
        radiograph=radiograph,
    )
    return batch


def test_batch_results_show_it_first(
    batch: UploadBatch, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    page = sign_in(radiologist).get(f"/uploads/{batch.pk}/results").content.decode()
    row = page.partition("a.dcm")[2].partition("</tr>")[0]
    assert row.index("No pneumonia") < row.index("Pneumonia likely") < row.index("overruled")
    program = APIClient()
    program.force_authenticate(radiologist)
    (result,) = program.get(f"/api/v1/batches/{batch.pk}/results").json()["results"]
    assert (result["finding"]["value"], result["model_is"]) == ("none", "overruled")


def test_exports_contain_it_once_it_cannot_be_taken_back(
    batch: UploadBatch, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(radiologist)

    def line() -> dict[str, str]:
        text = browser.get(f"/uploads/{batch.pk}/results.csv").content.decode("utf-8-sig")
        return next(csv.DictReader(io.StringIO(text)))

    def printed() -> str:
        pdf = browser.get(f"/uploads/{batch.pk}/results.pdf").content
        return " ".join(PdfReader(io.BytesIO(pdf)).pages[0].extract_text().split())

    # Until then the model's result does not stand beside "signed", where it would read as signed.
    assert (line()["finding"], line()["reading_state"]) == ("", "unread")
    assert "No pneumonia" not in printed()
    assert "Signed" not in printed()
    assert "0 of a signed study" in printed()
    let_time_pass()
    found = line()
    assert found["reading_state"] == "signed"
    assert (found["finding"], found["signed_by"], found["model_is"]) == (
        "none",
        str(radiologist),
        "overruled",
    )
    assert list(found).index("finding") < list(found).index("category")
    text = printed()
    assert text.index("No pneumonia") < text.index("Pneumonia likely, 93 % – overruled")


def test_exports_say_that_a_finding_is_not_the_last_word(
    batch: UploadBatch,
    radiologist: User,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> None:
    let_time_pass()
    read = Read.objects.get()
    add_addendum(read, make_user(Role.RADIOLOGIST, username="o"), "Why", "What", PASSWORD)
    browser = sign_in(radiologist)

    def exported() -> tuple[str, str]:
        text = browser.get(f"/uploads/{batch.pk}/results.csv").content.decode("utf-8-sig")
        pdf = browser.get(f"/uploads/{batch.pk}/results.pdf").content
        printed = " ".join(PdfReader(io.BytesIO(pdf)).pages[0].extract_text().split())
        return next(csv.DictReader(io.StringIO(text)))["finding_remarks"], printed

    said, printed = exported()
    assert said == "1 addendum"
    assert "; 1 addendum" in printed
    # An image has come since: the study waits to be read, and the finding is of the first alone.
    Study.objects.update(reading_state=ReadingState.UNREAD)
    said, printed = exported()
    assert said == "1 addendum; before a later image"
    assert "before a later image" in printed


def test_uploaders_see_that_a_study_is_signed_but_no_finding(
    batch: UploadBatch, uploader: User, sign_in: Callable[[User], Client]
) -> None:
    let_time_pass()
    browser = sign_in(uploader)
    page = browser.get(f"/uploads/{batch.pk}/results").content.decode()
    csv_file = browser.get(f"/uploads/{batch.pk}/results.csv").content.decode()
    assert "Signed" in page
    assert "No pneumonia" not in page
    assert "finding" not in csv_file
