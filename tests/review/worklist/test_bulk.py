"""Bulk actions of the worklist: what changes, what is skipped and why, and who may use them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_job, make_patient, make_prediction, make_radiograph, make_study
from tests.helpers import audit_actions
from tests.reading import sign
from webportal.accounts.models import Role, User
from webportal.audit.models import AuditEntry
from webportal.inference.models import Job
from webportal.inference.queue import awaiting_release
from webportal.records.choices import Priority, ReadingState
from webportal.records.models import Study
from webportal.review.reads.services import Entry
from webportal.review.worklist import bulk

pytestmark = pytest.mark.django_db


@pytest.fixture
def coordinator(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST, Role.COORDINATOR, username="head")


def signed_study(by: User) -> Study:
    prediction = make_prediction()
    sign(prediction.radiograph.study, by, Entry(prediction.pk, "confirm", "definite"), PASSWORD)
    return prediction.radiograph.study


def test_assigning_skips_signed_and_already_assigned_studies(
    radiologist: User, coordinator: User
) -> None:
    free, taken, own = make_study(), make_study(), make_study(assigned_reader=coordinator)
    Study.objects.filter(pk=taken.pk).update(assigned_reader=radiologist)
    signed = signed_study(radiologist)
    given = [study.pk for study in (free, taken, own, signed)]
    outcome = bulk.assign(given, coordinator, radiologist)
    assert set(outcome.changed) == {free.pk, taken.pk}
    assert outcome.unchanged == {
        "It already has this assignment.": [own.pk],
        "It is signed already.": [signed.pk],
    }
    assert set(Study.objects.filter(assigned_reader=coordinator)) == {free, taken, own}
    entry = AuditEntry.objects.get(action="study.changed", object_id=str(taken.pk))
    assert entry.actor == radiologist.username
    assert entry.detail == {
        "fields": ["assigned_reader"],
        "from": str(radiologist.pk),
        "to": str(coordinator.pk),
    }


def test_a_study_can_be_unassigned(radiologist: User) -> None:
    study, free = make_study(assigned_reader=radiologist), make_study()
    outcome = bulk.assign([study.pk, free.pk], None, radiologist)
    assert outcome.changed == [study.pk]
    assert outcome.unchanged == {"It is assigned to nobody.": [free.pk]}


@pytest.mark.parametrize("roles", [[Role.UPLOADER], []])
def test_studies_are_assigned_only_to_readers(
    roles: list[Role], radiologist: User, make_user: Callable[..., User]
) -> None:
    other = make_user(*roles, username="other")
    with pytest.raises(bulk.BulkError):
        bulk.assign([make_study().pk], other, radiologist)


def test_a_second_read_is_assigned_only_to_those_who_may_make_it(
    radiologist: User, coordinator: User, make_user: Callable[..., User], settings: Settings
) -> None:
    settings.SECOND_READING, settings.SECOND_READING_SHARE = True, 1.0
    auditor = make_user(Role.RADIOLOGIST, Role.AUDITOR, username="auditor")
    study = signed_study(radiologist)
    for person in (radiologist, auditor):
        outcome = bulk.assign([study.pk], person, coordinator)
        assert outcome.changed == []
        reason = f"{person} may not do the read that it is waiting for."
        assert outcome.unchanged == {reason: [study.pk]}
    assert bulk.assign([study.pk], coordinator, coordinator).changed == [study.pk]
    assert bulk.assign([study.pk], None, coordinator).changed == [study.pk]


def test_priority_applies_to_study_and_waiting_jobs(coordinator: User) -> None:
    waiting = make_job().radiograph.study
    done = make_job(state="done").radiograph.study
    stat = make_study(priority=Priority.STAT)
    signed = signed_study(coordinator)
    given = [study.pk for study in (waiting, done, stat, signed)]
    outcome = bulk.prioritise(given, Priority.STAT, coordinator)
    assert set(outcome.changed) == {waiting.pk, done.pk}
    assert {key for ids in outcome.unchanged.values() for key in ids} == {stat.pk, signed.pk}
    assert Job.objects.get(radiograph__study=waiting).priority == Priority.STAT
    assert Job.objects.get(radiograph__study=done).priority == Priority.ROUTINE
    signed.refresh_from_db()
    assert signed.priority == Priority.ROUTINE
    entry = AuditEntry.objects.get(action="study.changed", object_id=str(waiting.pk))
    assert entry.detail == {"fields": ["priority"], "previous_priority": 2, "priority": 0}
    back = bulk.prioritise([waiting.pk], Priority.ROUTINE, coordinator)
    assert back.changed == [waiting.pk]


def test_priority_needs_a_coordinator(radiologist: User) -> None:
    study = make_study()
    with pytest.raises(PermissionDenied):
        bulk.prioritise([study.pk], Priority.STAT, radiologist)
    assert audit_actions() == []


def test_rerun_queues_images_not_in_the_queue_and_releases_quarantined_ones(
    radiologist: User,
) -> None:
    done = make_job(state="done").radiograph.study
    make_job(make_radiograph(done), "running")
    stuck = make_job(state="quarantined").radiograph.study
    waiting = make_job().radiograph.study
    empty = make_study()
    prior = make_radiograph(make_study(reading_state=ReadingState.PRIOR)).study
    given = [study.pk for study in (done, stuck, waiting, empty, prior)]
    outcome = bulk.rerun(given, radiologist)
    assert outcome.changed == [done.pk, stuck.pk]
    assert outcome.unchanged == {
        "This image is in the queue already.": [waiting.pk],
        "It has no image.": [empty.pk],
        "This study is a prior, which is not analysed. Put it on the worklist first.": [prior.pk],
    }
    assert not awaiting_release().exists()
    assert Job.objects.filter(state="queued", radiograph__study=done).count() == 1
    assert audit_actions(study_id=stuck.pk) == ["job.queued", "job.released"]


@pytest.mark.parametrize("count", [0, bulk.MOST + 1])
def test_empty_and_oversized_selections_are_refused(count: int, coordinator: User) -> None:
    ids = [make_study().pk] * count
    with pytest.raises(bulk.BulkError):
        bulk.assign(ids, coordinator, coordinator)
    with pytest.raises(bulk.BulkError):
        bulk.prioritise(ids, Priority.STAT, coordinator)
    with pytest.raises(bulk.BulkError):
        bulk.rerun(ids, coordinator)


def test_a_failure_changes_nothing(coordinator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_job().radiograph.study

    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(bulk, "append_all", fail)
    with pytest.raises(RuntimeError):
        bulk.prioritise([study.pk], Priority.STAT, coordinator)
    study.refresh_from_db()
    assert study.priority == Priority.ROUTINE
    assert Job.objects.get().priority == Priority.ROUTINE


# ── Pages ───────────────────────────────────────────────────────────────────────────────────────


def post(browser: Client, **values: Any) -> Any:
    return browser.post(reverse("review:bulk"), {"scope": "selected", **values})


def test_the_result_says_how_many_changed_and_which_did_not(
    coordinator: User, sign_in: Callable[[User], Client]
) -> None:
    studies = [make_study() for _ in range(3)]
    left = make_study(patient=make_patient(name="Left^Out"), priority=0)
    chosen = [str(study.pk) for study in [*studies, left]]
    page = post(
        sign_in(coordinator),
        action="prioritise",
        priority="0",
        study=chosen,
        query="state=unread&category=none",
    )
    assert "<strong>3 studies</strong> were changed" in page.text
    assert "It already has this priority." in page.text
    assert "Left, Out" in page.text
    assert "/worklist?state=unread&amp;category=none" in page.text


def test_acting_on_all_that_match_requires_confirmation_of_the_number(
    coordinator: User, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(coordinator)
    matching = [make_study(priority=1, patient=make_patient(name="Wanted^One")) for _ in range(3)]
    make_study(priority=1)
    search = browser.post(reverse("review:search") + "?priority=1", {"text": "wanted"})
    query = search.headers["Location"].partition("?")[2]
    asked = post(browser, action="assign", reader=str(coordinator.pk), scope="all", query=query)
    assert "<strong>3 studies</strong> match now" in asked.text
    assert not Study.objects.filter(assigned_reader=coordinator).exists()
    late = make_study(priority=1, patient=make_patient(name="Wanted^Late"))
    done = post(
        browser,
        action="assign",
        reader=str(coordinator.pk),
        studies=asked.context["ids"],
        query=query,
    )
    assert "<strong>3 studies</strong> were changed" in done.text
    assert set(Study.objects.filter(assigned_reader=coordinator)) == set(matching)
    late.refresh_from_db()
    assert late.assigned_reader is None


def test_more_than_the_limit_are_not_offered(
    radiologist: User, sign_in: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webportal.review.worklist.bulk_views.MOST", 2)
    for _ in range(3):
        make_study()
    asked = post(sign_in(radiologist), action="rerun", scope="all")
    assert "More than 2 studies match" in asked.text
    assert 'name="studies"' not in asked.text


@pytest.mark.parametrize(
    "values",
    [
        {"action": "assign", "reader": ""},
        {"action": "assign", "reader": "00000000-0000-0000-0000-000000000001"},
        {"action": "prioritise", "priority": ""},
        {"action": "rerun", "study": []},
        {"action": "rerun", "study": ["x"]},
        {"action": "explode"},
    ],
)
def test_an_incomplete_action_is_rejected(
    values: dict[str, Any], coordinator: User, sign_in: Callable[[User], Client]
) -> None:
    study = make_study()
    browser = sign_in(coordinator)
    answer = post(browser, **{"study": [str(study.pk)], "query": "state=all", **values})
    assert answer.headers["Location"] == "/worklist?state=all"
    assert 'class="alert alert-warning' in browser.get("/worklist").text
    assert audit_actions(action="study.changed") == []


def test_a_radiologist_is_offered_no_priority_and_refused_it(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(radiologist)
    study = make_study()
    assert 'value="prioritise"' not in browser.get("/worklist").text
    for scope in ("selected", "all"):
        answer = post(
            browser, action="prioritise", priority="0", study=[str(study.pk)], scope=scope
        )
        assert answer.status_code == 403
