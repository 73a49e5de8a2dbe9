"""Reasons: stored as codes, shown in the reader's language."""

import ast
import re
from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation
from pytest_django.fixtures import Settings

from deploy.local.system import ROOT
from ml.errors import MESSAGES as of_images
from ml.images.dicom import IDENTIFYING
from ml.serving.refusals import MESSAGES as of_model
from tests import dicom_files as files
from tests.factories import make_job
from webportal.accounts.models import User
from webportal.dicomweb.storing import FAILURE_BY_CODE
from webportal.inference.models import JobState
from webportal.inference.reasons import MESSAGES as of_jobs
from webportal.intake import pipeline
from webportal.intake.checks.messages import MESSAGES as of_checks
from webportal.intake.held.reasons import HELD, ROWS
from webportal.intake.models import UploadBatch
from webportal.intake.reasons import MESSAGES as of_files
from webportal.intake.templatetags.reasons import render_reason as shown
from webportal.reasons import _MESSAGES, FIELDS, NO_REASON, Reason, register
from webportal.review.study.model_result import NEXT_STEPS

NEPALI = {"Accept-Language": "ne"}


MESSAGES = of_images | of_model | of_jobs | of_checks | of_files
SAMPLES = {"attribute": ["PatientID"], "attributes": ["PatientName", "PatientID"]}
SAMPLES |= {"differences": ["name", "birth_date"], "missing": ["sex"]}


@pytest.mark.parametrize("key", MESSAGES)
def test_values_stay_and_the_text_around_them_is_translated(key: str) -> None:
    code, _, variant = key.partition(".")
    names = re.findall(r"\{(\w+)\}", MESSAGES[key])
    params = {name: SAMPLES.get(name, f"{name}-7") for name in names}
    reason = Reason(code, params | ({"variant": variant} if variant else {}))
    with translation.override("ne"):
        words = str(reason)
    assert words != reason.english
    assert all(value in words for value in params.values() if isinstance(value, str))
    assert not re.search(r"\b(the|is|of|image|file)\b", words)


def test_field_names_filled_in_are_translated_too() -> None:
    with translation.override("ne"):
        words = str(Reason("patient_mismatch", {"differences": ["name", "birth_date"]}))
    assert "नाम र जन्म मिति" in words


def test_every_attribute_that_identifies_somebody_has_a_name() -> None:
    """A file is held with the attributes whose letters are in doubt."""
    assert set(IDENTIFYING) <= set(FIELDS)


def test_numbers_are_grouped() -> None:
    assert "more than 5,000 files" in str(Reason("too_many_entries", {"files": 5000}))


def test_a_sentence_without_a_code_is_shown_as_stored_and_marked_as_english() -> None:
    odd = Reason("other", {"text": "Too <odd> for 1.0."})
    with translation.override("ne"):
        assert shown(odd) == '<span lang="en">Too &lt;odd&gt; for 1.0.</span>'
        assert shown(NO_REASON) == ""
    assert shown(odd) == "Too <odd> for 1.0."


def test_an_unknown_code_is_shown_as_is() -> None:
    assert str(Reason("of_tomorrow", {"pixels": 3})) == "of_tomorrow"


def test_a_code_fits_its_column() -> None:
    with pytest.raises(ValueError, match="more than 40"):
        register({"x" * 41: "It is refused."})


#: What is given a code, and then the values of its message.
_REFUSE = {"RefusedError", "PatientDoubtError", "ImageError", "CheckError", "_refused"}


def _in_a_dictionary(params: list[ast.expr]) -> dict[str | None, ast.expr]:
    """The values that a Reason is given by name; None for those that only show when it runs."""
    found: dict[str | None, ast.expr] = {}
    for each in params:
        if not isinstance(each, ast.Dict):
            found[None] = each
            continue
        for key, value in zip(each.keys, each.values, strict=True):
            found[str(key.value) if isinstance(key, ast.Constant) else None] = value
    return found


def raised_reasons() -> Iterator[tuple[str, str, set[str]]]:
    """Each reason that is written in the code: where, its key, and the values that it is given."""
    for folder in ("ml/images", "ml/serving", "webportal", "workers"):
        for file in (ROOT / folder).rglob("*.py"):
            source = file.read_text()
            names = _REFUSE | {"Reason"}
            for node in ast.walk(ast.parse(source)):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                    continue
                codes = [str(each.value) for each in node.args if isinstance(each, ast.Constant)]
                if node.func.id not in names or not codes:
                    continue
                given = {each.arg: each.value for each in node.keywords}
                given |= _in_a_dictionary(node.args[1:]) if node.func.id == "Reason" else {}
                variant = given.get("variant")
                suffix = f".{variant.value!s}" if isinstance(variant, ast.Constant) else ""
                where = f"{file.relative_to(ROOT)}:{node.lineno}"
                yield where, f"{codes[0]}{suffix}", {each or "*" for each in given}


def test_every_reason_that_is_raised_has_a_message_and_its_values() -> None:
    """Otherwise people read a code, or the page that shows the file fails."""
    reasons = list(raised_reasons())
    assert len(reasons) > 50
    unknown = [f"{where}: {key}" for where, key, _ in reasons if key not in _MESSAGES]
    assert unknown == []
    lacking = [
        f"{where}: {key} lacks {missing}"
        for where, key, given in reasons
        if "*" not in given and (missing := set(re.findall(r"\{(\w+)\}", _MESSAGES[key])) - given)
    ]
    assert lacking == []


def test_every_fault_of_an_identifier_has_a_message() -> None:
    """The file check raises the code of whatever fault it finds."""
    source = (ROOT / "webportal" / "records" / "identifiers.py").read_text()
    codes = set(re.findall(r'(?:Fault\(|_fault\(text, [\w.]+, )"(\w+)"', source))
    assert {"too_long", "several_values", "control_characters"} <= codes
    # Such a file is held, not refused.
    assert codes - {"unreadable_letters"} <= set(of_checks), "webportal/intake/checks/messages.py"


def _codes_of(error: str, *, outside: str) -> set[str]:
    """The codes with which an error is raised in intake."""
    found = set()
    for file in (ROOT / "webportal" / "intake").rglob("*.py"):
        if outside not in file.parts:
            found |= set(re.findall(rf'\b{error}\(\s*"(\w+)"', file.read_text()))
    return found


def test_the_page_of_held_files_knows_every_reason_for_holding_one() -> None:
    """Which values it marks, whether its form is open, and what it offers for other files."""
    # In held/ they are raised because a decision cannot be carried out.
    raised = _codes_of("PatientDoubtError", outside="held")
    assert raised == {key.partition(".")[0] for key in HELD}, "webportal/intake/held/reasons.py"
    assert set(HELD) <= set(of_files)
    guide = (ROOT / "docs" / "api.md").read_text()
    listed = guide.partition("A *held* file")[2].partition("`GET /held-files")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == raised, "docs/api.md"


def test_the_page_of_held_files_can_mark_every_value_that_may_be_in_doubt() -> None:
    assert set(IDENTIFYING) <= set(ROWS), "webportal/intake/held/reasons.py"
    page = (ROOT / "webportal" / "templates" / "intake" / "held_item.html").read_text()
    marked = set(re.findall(r'{% if "(\w+)" in in_doubt %}', page))
    assert marked == set(ROWS.values()), "webportal/templates/intake/held_item.html"
    assert {row for each in HELD.values() for row in each.marks} <= marked


#: Refused for what is in the image, which no failure of DICOM's own describes.
PLAINLY_REFUSED = {
    "birth_date_in_future",
    "contradictory_pixels",
    "control_characters",
    "decomposed_letters",
    "invisible_letters",
    "look_alike_letters",
    "multi_frame",
    "no_patient",
    "several_values",
    "side_too_long",
    "too_large",
    "too_long",
    "too_many_pixels",
    "too_much_memory",
    "too_slow",
    "too_small",
    "unsupported_pixels",
}


def test_every_fault_of_an_image_has_a_dicom_failure() -> None:
    """A STOW-RS client may show only this number."""
    codes = {key.partition(".")[0] for key in of_images | of_checks}
    assert codes - PLAINLY_REFUSED <= set(FAILURE_BY_CODE), "webportal/dicomweb/storing.py"
    assert set(FAILURE_BY_CODE) <= {key.partition(".")[0] for key in MESSAGES}


def test_every_image_that_is_not_assessed_has_a_next_step() -> None:
    codes = {key.partition(".")[0] for key in MESSAGES}
    assert set(of_model) <= set(NEXT_STEPS) <= codes, "webportal/review/study/model_result.py"


def test_no_code_has_two_messages() -> None:
    with pytest.raises(ValueError, match="truncated"):
        register({"truncated": "It was cut."})


@pytest.mark.django_db
def test_a_held_file_says_why_in_the_language_of_the_page(
    uploader: User, batch: UploadBatch, sign_in: Callable[[User], Client]
) -> None:
    pipeline.receive_file(batch, "a.dcm", BytesIO(files.dicom(files.phantom())), uploader)
    other = files.dicom(files.phantom(seed=1), PatientName="Doe^Jane", PatientSex="F")
    with translation.override("ne"):
        (item,) = pipeline.receive_file(batch, "b.dcm", BytesIO(other), uploader)
    assert item.reason == Reason("patient_mismatch", {"differences": ["name", "sex"]})
    page = sign_in(uploader).get(reverse("intake:held"), headers=NEPALI).text
    assert "बिरामीको नाम" in page
    assert "Patient record" not in page


@pytest.mark.django_db
def test_the_browser_is_told_in_its_language_and_programs_in_english(
    uploader: User, batch: UploadBatch, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    settings.UPLOAD_MAX_BYTES = 3 * 1024**2
    pipeline.receive_file(batch, "big.png", BytesIO(bytes(settings.UPLOAD_MAX_BYTES + 1)), uploader)
    client = sign_in(uploader)
    address = reverse("intake:received", args=[batch.pk])
    (item,) = client.get(address, headers=NEPALI).json()["items"]
    assert item["reason"].startswith("फाइल 3 MB भन्दा ठूलो छ")
    (item,) = client.get(f"/api/v1/batches/{batch.pk}/files", headers=NEPALI).json()["results"]
    assert item["reason"].startswith("The file is larger than 3 MB")


@pytest.mark.django_db
def test_hospital_it_sees_why_a_job_failed_in_the_language_of_the_page(
    it_person: User, sign_in: Callable[[User], Client]
) -> None:
    job = make_job(
        state=JobState.QUARANTINED, reason_code="worker_lost", reason_params={"attempts": 3}
    )
    page = sign_in(it_person).get("/operations", headers=NEPALI).text
    with translation.override("ne"):
        in_nepali = str(job.reason)
    assert in_nepali != job.reason.english
    assert in_nepali in page
    assert job.reason.english not in page
