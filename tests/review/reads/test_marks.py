"""Marks on the images: part of the draft and of the signed read, and within their image."""

import json
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_prediction, make_radiograph, make_study
from tests.helpers import let_time_pass
from tests.reading import sign
from webportal.accounts.models import Role, User
from webportal.audit.models import Action, AuditEntry
from webportal.inference.models import Prediction
from webportal.records.models import Radiograph, Study
from webportal.review.models import Read
from webportal.review.reads.marks import MOST_MARKS, Mark, parse_marks
from webportal.review.reads.services import Entry, ReadingError, save_draft

pytestmark = pytest.mark.django_db
ROWS, COLUMNS = 96, 80


@pytest.fixture
def radiograph() -> Radiograph:
    return make_radiograph(make_study(), (ROWS, COLUMNS))


@pytest.fixture
def seen(radiograph: Radiograph) -> Prediction:
    return make_prediction(radiograph, "likely")


def entry(seen: Prediction, *marks: Mark, **more: Any) -> Entry:
    defaults = {"decision": "confirm", "pneumonia": "definite", "marks": marks}
    return Entry(seen.pk, **(defaults | more))


def refusal(act: Callable[[], object]) -> ReadingError:
    with pytest.raises(ReadingError) as caught:
        act()
    return caught.value


def shown_marks(client: Client, study: Study) -> list[dict[str, Any]]:
    page = client.get(reverse("review:study", args=[study.pk]))
    return list(page.context["viewer_data"]["marks"])


def test_marks_are_drafted_signed_and_audited(
    seen: Prediction, radiograph: Radiograph, radiologist: User
) -> None:
    point = Mark(radiograph.pk, "pneumonia", COLUMNS - 1, ROWS - 1)
    box = Mark(radiograph.pk, "effusion", 0, 0, COLUMNS, ROWS)
    entered = entry(seen, point, box, other_findings=("effusion",))
    draft = save_draft(radiograph.study, radiologist, entered)
    draft.refresh_from_db()
    assert parse_marks(draft.marks) == (point, box)
    # Another place is another draft, the same place is not.
    assert save_draft(radiograph.study, radiologist, entered).updated_at == draft.updated_at
    moved = entry(seen, Mark(radiograph.pk, "pneumonia", 3, 4), box)
    assert save_draft(radiograph.study, radiologist, moved).updated_at > draft.updated_at

    read = sign(radiograph.study, radiologist, entered, PASSWORD)
    read.refresh_from_db()
    assert parse_marks(read.marks) == (point, box)
    trail = AuditEntry.objects.get(action=Action.READ_SIGNED)
    assert trail.detail["marks"] == [point.as_json(), box.as_json()]
    # The same signature again is the same read; with another mark it is another one.
    assert sign(radiograph.study, radiologist, entered, PASSWORD) == read
    refused = refusal(lambda: sign(radiograph.study, radiologist, entry(seen, box), PASSWORD))
    assert refused.code == "already_signed"


@pytest.mark.parametrize(
    ("column", "row", "width", "height"),
    [
        (-1, 0, 0, 0),
        (0, -1, 0, 0),
        (COLUMNS, 0, 0, 0),
        (0, ROWS, 0, 0),
        (COLUMNS - 9, 0, 10, 10),
        (0, ROWS - 9, 10, 10),
        (0, 0, 10, 0),
        (0, 0, -5, -5),
    ],
)
def test_a_mark_outside_its_image_is_refused(
    column: int, row: int, width: int, height: int, seen: Prediction, radiologist: User
) -> None:
    study = seen.radiograph.study
    mark = Mark(seen.radiograph_id, "pneumonia", column, row, width, height)
    refused = refusal(lambda: save_draft(study, radiologist, entry(seen, mark)))
    assert refused.code == "wrong_mark"
    assert f"{COLUMNS} columns and {ROWS} rows" in refused.message
    assert not Read.objects.exists()


def test_marks_of_other_studies_without_a_finding_or_too_many_are_refused(
    seen: Prediction, radiologist: User
) -> None:
    study, pk = seen.radiograph.study, seen.radiograph_id
    for marks, words in (
        ([Mark(make_radiograph().pk, "pneumonia", 1, 1)], "does not belong to this study"),
        ([Mark(uuid.uuid4(), "pneumonia", 1, 1)], "does not belong to this study"),
        ([Mark(pk, "measles", 1, 1)], "not one of those known"),
        ([Mark(pk, "pneumonia", 1, n) for n in range(MOST_MARKS + 1)], "at most 50"),
    ):
        refused = refusal(partial(save_draft, study, radiologist, entry(seen, *marks)))
        assert refused.code == "wrong_mark"
        assert words in refused.message
    save_draft(study, radiologist, entry(seen, *marks[:MOST_MARKS]))


@pytest.mark.parametrize(
    ("finding", "more"),
    [("effusion", {}), ("pneumonia", {"decision": "overrule", "pneumonia": "none"})],
)
def test_a_marked_finding_must_be_part_of_the_read_to_be_signed(
    finding: str, more: dict[str, str], seen: Prediction, radiologist: User
) -> None:
    study = seen.radiograph.study
    entered = entry(seen, Mark(seen.radiograph_id, finding, 1, 1), **more)
    refused = refusal(lambda: sign(study, radiologist, entered, PASSWORD))
    assert refused.code == "not_fitting"
    assert Read.objects.get().state == "draft"


def test_the_form_submits_marks_and_reports_their_errors(
    seen: Prediction, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    client, study = sign_in(radiologist), seen.radiograph.study
    mark = Mark(seen.radiograph_id, "pneumonia", 10, 20, 30, 40).as_json()
    sent = {"seen": str(seen.pk), "images": 1, "kind": "first", "choice": "confirm:definite"}
    address = reverse("review:draft", args=[study.pk])
    client.post(address, sent | {"marks": json.dumps([mark])})
    assert Read.objects.get().marks == [mark]
    page = client.get(reverse("review:study", args=[study.pk]))
    assert json.loads(page.context["form"]["marks"].value()) == [mark]

    for bad in ("{", "7", "[7]", '[{"radiograph": "x"}]', json.dumps([mark | {"row": 1.5}])):
        answer = client.post(address, sent | {"marks": bad}, headers={"HX-Request": "true"})
        assert "Not saved" in answer.content.decode(), bad
    outside = json.dumps([mark | {"row": ROWS}])
    answer = client.post(address, sent | {"marks": outside}, headers={"HX-Request": "true"})
    assert "outside its image" in answer.content.decode()
    signing = reverse("review:sign", args=[study.pk])
    answer = client.post(signing, sent | {"marks": outside, "password": PASSWORD})
    assert answer.status_code == 422
    assert "outside its image" in answer.content.decode()
    assert Read.objects.get().marks == [mark]


def test_signed_marks_are_shown_to_later_readers_and_with_later_studies(
    seen: Prediction,
    radiologist: User,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> None:
    study = seen.radiograph.study
    mark = Mark(seen.radiograph_id, "pneumonia", 10, 20, 30, 40)
    save_draft(study, radiologist, entry(seen, mark))
    colleague = sign_in(make_user(Role.RADIOLOGIST, username="colleague"))
    assert shown_marks(colleague, study) == []
    sign(study, radiologist, entry(seen, mark), PASSWORD)
    expected = [mark.as_json() | {"by": str(radiologist)}]
    assert shown_marks(colleague, study) == expected
    page = colleague.get(reverse("review:study", args=[study.pk])).content.decode()
    assert "Pneumonia: box on image 1, columns 10–39, rows 20–59" in page
    later = make_radiograph(make_study(patient=study.patient)).study
    assert shown_marks(colleague, later) == expected


def test_a_second_reader_sees_no_marks_of_the_first(
    seen: Prediction,
    radiologist: User,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
    settings: Settings,
) -> None:
    settings.SECOND_READING = True
    settings.SECOND_READING_SHARE = 1.0
    study = seen.radiograph.study
    mark = Mark(seen.radiograph_id, "pneumonia", 10, 20, 30, 40)
    sign(study, radiologist, entry(seen, mark), PASSWORD)
    second = make_user(Role.RADIOLOGIST, username="second")
    client = sign_in(second)
    assert shown_marks(client, study) == []
    assert (
        "box on image" not in client.get(reverse("review:study", args=[study.pk])).content.decode()
    )
    # Nor beside another study of the patient.
    later = make_radiograph(make_study(patient=study.patient)).study
    assert shown_marks(client, later) == []
    assert shown_marks(sign_in(radiologist), study) != []
    sign(study, second, entry(seen), PASSWORD)
    let_time_pass()
    assert len(shown_marks(client, study)) == 1
