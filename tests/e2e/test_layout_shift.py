"""What comes by itself moves nothing: files that arrive, the worklist, a study that is open.

Measured by Chromium as 'layout shift': the share of the window that moved, times how far.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from tests import dicom_files as files
from tests.e2e.browser import NO_WEBGL, TWO_FRAMES, context_of
from tests.factories import make_job, make_patient, make_prediction, make_radiograph, make_study
from webportal.accounts.models import Role, User
from webportal.inference.models import Job
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.intake.models import UploadBatch
from webportal.records.models import Study
from webportal.review.reads.reservation import reserve

pytestmark = pytest.mark.django_db(transaction=True)

# 0.1 is what browsers call good; a row of the worklist that moves by its own height is 0.002.
MOST = 0.02
FILES = 24
SHIFTS = """
window.shifts = [];
const note = (entries) => {
  for (const entry of entries) {
    if (entry.hadRecentInput) continue;
    const moved = entry.sources.map(({ node }) => node?.id || node?.className || node?.nodeName);
    window.shifts.push([entry.value, String(moved)]);
  }
};
const observer = new PerformanceObserver((list) => note(list.getEntries()));
observer.observe({ type: "layout-shift", buffered: true });
window.note_latest_shifts = () => note(observer.takeRecords());
"""


@pytest.fixture
def reader(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST, Role.UPLOADER, username="reader")


@pytest.fixture
def page(
    live_server: LiveServer,
    reader: User,
    sign_in: Callable[[User], Client],
    settings: Settings,
) -> Iterator[Page]:
    """A page that notes what moves without somebody's doing."""
    settings.UPLOAD_MIN_FREE_BYTES = 0
    options: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
    # What moves bit by bit counts as well.
    options["reduced_motion"] = "no-preference"
    with context_of(sign_in(reader), live_server, *NO_WEBGL, own=True, **options) as context:
        context.add_init_script(SHIFTS)
        yield context.new_page()


def assert_still(page: Page) -> None:
    """Fail with what moved, and how much, if that was more than a little since the page opened."""
    page.evaluate(TWO_FRAMES)
    page.evaluate("window.note_latest_shifts()")
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < MOST, shifts


def assert_bar_agrees(page: Page, words: str, share: float) -> None:
    """Fail unless the upload's bar shows so much of what its words say."""
    expect(page.locator("[data-progress]")).to_have_text(words)
    assert page.locator(".batch-progress").evaluate("bar => bar.position") == share


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Radiographs with a letter and, twice, a file that is damaged among them."""
    folder = tmp_path / "night"
    folder.mkdir()
    for number in range(FILES - 3):
        picture = files.png(files.phantom(seed=number))
        (folder / f"{number:02}.png").write_bytes(picture)
    (folder / "05-letter.txt").write_text("Dear colleague")
    (folder / "07-damaged.dcm").write_bytes(b"DICM" * 20)
    (folder / "09-empty.png").write_bytes(b"")
    return folder


@pytest.fixture
def half(reader: User, folder: Path) -> UploadBatch:
    """An upload of which half has arrived, in a folder of that name as a browser sends it."""
    batch = services.create_batch(reader, name="Night")
    services.announce(batch, FILES)
    for path in sorted(folder.iterdir())[: FILES // 2]:
        pipeline.receive_file(batch, f"night/{path.name}", BytesIO(path.read_bytes()), reader)
    return batch


@pytest.mark.parametrize("width", [768, 1024, 1280, 2560])
def test_a_resumed_upload(page: Page, half: UploadBatch, folder: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"/uploads/{half.pk}")
    expect(page.get_by_text("If nothing is being sent any more")).to_be_visible()
    assert_bar_agrees(page, f"{FILES // 2} of {FILES} files have arrived", 0.5)
    expect(page.locator("[data-rate]")).to_have_text("Nothing is being sent")
    page.set_input_files("[data-input=folder]", folder)
    assert_bar_agrees(page, f"All {FILES} files have arrived", 1)
    expect(page.locator("[data-rate]")).to_be_empty()
    expect(page.locator("#batch-status")).to_contain_text("Refused: what to do")
    expect(page.get_by_role("link", name="Accepted")).to_contain_text(str(FILES - 3))
    expect(page.locator("#batch-status tbody tr")).to_have_count(FILES)
    assert_still(page)


def test_a_first_upload(page: Page, reader: User, folder: Path) -> None:
    batch = services.create_batch(reader, name="Night")
    page.goto(f"/uploads/{batch.pk}")
    assert_bar_agrees(page, "Nothing is being sent", 0)
    page.set_input_files("[data-input=folder]", folder)
    expect(page.locator("[data-progress]")).to_have_text(f"All {FILES} files have arrived")
    expect(page.locator("#batch-status tbody tr")).to_have_count(FILES)
    assert_still(page)


def test_an_upload_in_progress(page: Page, half: UploadBatch, folder: Path, reader: User) -> None:
    page.goto(f"/uploads/{half.pk}")
    for number, path in enumerate(sorted(folder.iterdir())[FILES // 2 :]):
        pipeline.receive_file(half, f"night/{path.name}", BytesIO(path.read_bytes()), reader)
        if number % 4 == 0:
            page.wait_for_event("response", lambda answer: "/status" in answer.url)
    stuck = half.items.filter(verdict="accepted").first()
    assert stuck is not None
    assert_bar_agrees(page, f"All {FILES} files have arrived", 1)
    make_job(stuck.radiograph, "quarantined", queued_at=timezone.now() + timedelta(seconds=5))
    expect(page.locator("#batch-status tbody tr")).to_have_count(FILES)
    expect(page.locator("#batch-status")).to_contain_text("1 could not be analysed")
    assert_still(page)


def test_the_worklist_while_results_and_studies_arrive(page: Page, reader: User) -> None:
    waiting = make_study(patient=make_patient(name="Waits^Here"))
    make_job(make_radiograph(waiting), "running")
    shown = [make_prediction(category="unlikely").radiograph.study for _ in range(6)]
    page.goto("/worklist")
    page.locator(f"#row-{shown[3].pk}").hover()
    Job.objects.filter(state="running").update(
        state="done", leased_until=None, finished_at="2026-01-01T00:00Z"
    )
    make_prediction(waiting.radiographs.get(), "likely")
    Study.objects.filter(pk=shown[0].pk).update(reading_state="signed")
    make_prediction(make_radiograph(make_study(priority=0)), "likely")
    expect(page.get_by_role("button", name="The list has changed")).to_be_visible()
    expect(page.locator(f"#row-{waiting.pk}")).to_contain_text("Pneumonia likely")
    assert_still(page)


def test_an_open_study_with_news(page: Page, reader: User, make_user: Callable[..., User]) -> None:
    picture = make_radiograph(make_study(indication="Cough and fever"), (500, 420))
    make_job(picture, "running")
    page.goto(f"/studies/{picture.study_id}")
    expect(page.locator("[data-pane=current] canvas").first).to_be_visible()
    expect(page.get_by_text("Being analysed").first).to_be_visible()
    reserve(picture.study, make_user(Role.RADIOLOGIST, username="other"))
    expect(page.get_by_text("has been reading this study")).to_be_visible()
    Job.objects.filter(state="running").update(
        state="done", leased_until=None, finished_at="2026-01-01T00:00Z"
    )
    make_prediction(picture, "likely")
    expect(page.get_by_text("The model has another result")).to_be_visible()
    assert_still(page)
