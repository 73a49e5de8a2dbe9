"""The results of a batch as a table, CSV and PDF, and their visibility."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from pypdf import PdfReader

from tests.factories import (
    THRESHOLDS,
    make_model_version,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
)
from tests.helpers import audit_actions
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.inference.models import Prediction
from webportal.intake.batches import services
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.records.choices import Category, ReadingState
from webportal.review.models import SecondReading

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(uploader: User) -> UploadBatch:
    return services.create_batch(uploader, name="Night shift")


@pytest.fixture
def add(batch: UploadBatch) -> Callable[..., UploadItem]:
    """Put a file with a result of the given category, if any, into the batch."""

    def added(file_name: str, category: str = "", **fields: Any) -> UploadItem:
        patient = make_patient(**fields)
        radiograph = make_radiograph(make_study(patient=patient))
        if category:
            make_prediction(radiograph, category)
        return UploadItem.objects.create(
            batch=batch,
            file_name=file_name,
            sha256=radiograph.original_sha256,
            size=1,
            verdict=Verdict.ACCEPTED,
            radiograph=radiograph,
        )

    return added


@pytest.fixture
def both(make_user: Callable[..., User]) -> User:
    """Somebody who uploads and reads."""
    return make_user("uploader", "radiologist", username="both")


def lines(client: Client, batch: UploadBatch, sort: str = "") -> list[dict[str, str]]:
    response = client.get(f"/uploads/{batch.pk}/results.csv?sort={sort}")
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))


def pdf_pages(client: Client, batch: UploadBatch) -> list[str]:
    response = client.get(f"/uploads/{batch.pk}/results.pdf")
    assert response["Content-Type"] == "application/pdf"
    return [page.extract_text() for page in PdfReader(io.BytesIO(response.content)).pages]


def test_the_worst_comes_first_and_a_click_reverses_the_order(
    add: Callable[..., UploadItem], batch: UploadBatch, both: User, sign_in: Callable[..., Client]
) -> None:
    add("a.png", Category.UNLIKELY)
    add("b.png", Category.LIKELY)
    add("c.png")
    client = sign_in(both)
    page = client.get(f"/uploads/{batch.pk}/results").text
    assert page.index("b.png") < page.index("a.png") < page.index("c.png")
    assert "Pneumonia likely, 93 %" in page
    names = [line["file"] for line in lines(client, batch, "-file")]
    assert names == ["c.png", "b.png", "a.png"]


def test_no_probability_is_shown_as_certain(
    add: Callable[..., UploadItem], batch: UploadBatch, both: User, sign_in: Callable[..., Client]
) -> None:
    add("a.png", Category.LIKELY)
    Prediction.objects.update(probability=0.9996)
    client = sign_in(both)
    assert "Pneumonia likely, &gt; 99 %" in client.get(f"/uploads/{batch.pk}/results").text
    assert "> 99 %" in " ".join(pdf_pages(client, batch)[0].split())


def test_refused_files_are_listed_with_the_reason(
    batch: UploadBatch, both: User, sign_in: Callable[..., Client]
) -> None:
    UploadItem.objects.create(
        batch=batch,
        file_name="x.txt",
        sha256="0" * 64,
        size=1,
        verdict="refused",
        reason_code="other",
        reason_params={"text": "No."},
    )
    client = sign_in(both)
    (line,) = lines(client, batch)
    assert (line["file"], line["verdict"], line["reason"]) == ("x.txt", "refused", "No.")
    (page,) = pdf_pages(client, batch)
    assert "x.txt No. Refused" in page


def test_the_model_s_results_are_for_radiologists(
    add: Callable[..., UploadItem],
    batch: UploadBatch,
    uploader: User,
    radiologist: User,
    sign_in: Callable[..., Client],
) -> None:
    add("a.png", Category.LIKELY)
    add("b.png", Category.NOT_ASSESSABLE)
    client = sign_in(uploader)
    shown = client.get(f"/uploads/{batch.pk}/results").text
    everything = shown + str(lines(client, batch)) + "".join(pdf_pages(client, batch))
    for word in ("likely", "Not assessable", "not_assessable", "refused", "93 %", "0.93"):
        assert word not in everything
    assert "analysed" in str(lines(client, batch))
    assert "Pneumonia likely" in sign_in(radiologist).get(f"/uploads/{batch.pk}/results").text


def test_a_second_reader_sees_no_result_that_is_hidden_from_them(
    add: Callable[..., UploadItem],
    batch: UploadBatch,
    radiologist: User,
    sign_in: Callable[..., Client],
    settings: LazySettings,
) -> None:
    settings.SECOND_READING_BLIND_TO_AI = True
    add("a.png", Category.UNLIKELY)
    hidden = add("b.png", Category.LIKELY)
    assert hidden.radiograph is not None
    SecondReading.objects.create(study=hidden.radiograph.study, reason="drawn", due="second")
    client = sign_in(radiologist)
    a, b = sorted(lines(client, batch), key=lambda line: line["file"])
    assert (a["category"], b["category"], b["probability"]) == ("unlikely", "", "")
    page = client.get(f"/uploads/{batch.pk}/results").text
    assert page.index("a.png") < page.index("b.png"), "the order tells nothing either"
    assert "hidden until your own read is signed" in page
    assert "Pneumonia likely" not in page + "".join(pdf_pages(client, batch))


def test_rounding_does_not_carry_a_result_over_a_threshold(
    add: Callable[..., UploadItem], batch: UploadBatch, both: User, sign_in: Callable[..., Client]
) -> None:
    points = {**THRESHOLDS, "likely": {**THRESHOLDS["likely"], "threshold": 0.73699}}
    model = make_model_version("near", thresholds=points)
    image = add("near.dcm").radiograph
    make_prediction(image, "indeterminate", probability=0.73698, model_version=model)
    client = sign_in(both)
    assert [line["probability"] for line in lines(client, batch)] == ["0.7369"]
    assert "Indeterminate, 73 %" in client.get(f"/uploads/{batch.pk}/results").text
    assert "Indeterminate, 73 %" in "".join(pdf_pages(client, batch))


def test_the_csv_contains_no_spreadsheet_formulas(
    add: Callable[..., UploadItem], batch: UploadBatch, both: User, sign_in: Callable[..., Client]
) -> None:
    starts = ("=", "+", "-", "@")
    wide = ("＝", "＋", "－", "＠")
    for start in starts:
        add(f"{start}cmd.png", name=f"{start}HYPERLINK(1)", patient_id=f"{start}1")
    for start in wide:
        add(f"{start}cmd.png")
    found = lines(sign_in(both), batch)
    assert len(found) == 8
    for line in found:
        assert line["file"].startswith("'")
        for value in line.values():
            assert not value.startswith((*starts, *wide))


def test_the_pdf_has_heading_page_number_and_disclaimer_on_every_page(
    add: Callable[..., UploadItem], batch: UploadBatch, both: User, sign_in: Callable[..., Client]
) -> None:
    for number in range(70):
        item = add(f"{number:03}.png", Category.UNLIKELY)
    assert item.radiograph is not None
    study = item.radiograph.study
    study.reading_state = ReadingState.SIGNED
    study.save()
    pages = pdf_pages(sign_in(both), batch)
    assert len(pages) > 1
    for number, page in enumerate(pages, 1):
        assert "Night shift" in page
        assert "Patient ID" in page
        assert "never decides" in page
        assert f"Page {number} of {len(pages)}" in page
    everything = "\n".join(pages)
    assert "1 of a signed study" in everything
    assert all(f"{number:03}.png" in everything for number in range(70))


@pytest.mark.parametrize("name", ["Müller^Łukasz", "Иванов^Пётр", "श्रेष्ठ^बिराज", "王^小東"])
def test_a_name_in_any_script_can_be_printed(
    name: str,
    add: Callable[..., UploadItem],
    batch: UploadBatch,
    both: User,
    sign_in: Callable[..., Client],
    caplog: pytest.LogCaptureFixture,
) -> None:
    add("a.png", Category.LIKELY, name=name, patient_id="P-77")
    (page,) = pdf_pages(sign_in(both), batch)
    assert "P-77" in page
    assert caplog.text == "", "the letters drawn are those of a name"


def test_a_character_without_a_glyph_is_marked_in_the_pdf(
    add: Callable[..., UploadItem], batch: UploadBatch, both: User, sign_in: Callable[..., Client]
) -> None:
    add("a.png", Category.LIKELY, name="Müller^क्ष", patient_id="P-1")
    (page,) = pdf_pages(sign_in(both), batch)
    assert "\N{REPLACEMENT CHARACTER}" not in page
    add("b.png", Category.LIKELY, name="王^小東", patient_id="P-2")
    (page,) = pdf_pages(sign_in(both), batch)
    sign = "\N{REPLACEMENT CHARACTER}"
    assert f"{sign}, {sign}{sign}" in page
    assert f"are shown as {sign}" in page


@pytest.mark.parametrize("kind", ["csv", "pdf"])
def test_exports_are_audited(
    kind: str,
    add: Callable[..., UploadItem],
    batch: UploadBatch,
    uploader: User,
    sign_in: Callable[..., Client],
) -> None:
    add("a.png")
    sign_in(uploader).get(f"/uploads/{batch.pk}/results.{kind}")
    assert audit_actions()[-1] == "batch.exported"
    entry = AuditEntry.objects.latest("sequence")
    assert (entry.actor, entry.object_id) == (uploader.username, str(batch.pk))
    assert entry.detail == {"kind": kind, "files": 1}


def test_neither_hospital_it_nor_auditors_see_batch_results(
    batch: UploadBatch, it_person: User, auditor: User, sign_in: Callable[..., Client]
) -> None:
    for person in (it_person, auditor):
        for ending in ("results", "results.csv", "results.pdf"):
            assert sign_in(person).get(f"/uploads/{batch.pk}/{ending}").status_code == 403
