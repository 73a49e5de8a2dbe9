"""Verification runs: requested, started by the scheduler, reported, and alerting."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.audit.test_verification import behind_its_back
from tests.helpers import database_url
from webportal.accounts.models import User
from webportal.audit import health, runs, verification
from webportal.audit.anchors import LATE, anchor
from webportal.audit.findings import TrailVerdict
from webportal.audit.models import Action, AnchorState, AuditEntry, Verification
from webportal.audit.trail import Event, append
from webportal.audit.verification import Progress
from webportal.notifications import alerts

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _trail_alone(settings: Settings) -> None:
    settings.AUDIT_CHECKS = []


def test_only_one_is_requested_at_a_time(auditor: User, radiologist: User) -> None:
    first = runs.request(auditor)
    assert runs.request(radiologist) == first
    assert first.requested_by == auditor.username
    done = runs.run_queued()
    assert done == first
    assert runs.run_queued() is None
    assert runs.request(radiologist) != first


def test_the_entry_names_the_requesting_user(auditor: User) -> None:
    runs.request(auditor)
    runs.run_queued()
    entry = AuditEntry.objects.get(action=Action.AUDIT_VERIFIED)
    assert entry.actor_id == auditor.pk
    assert entry.detail == {"intact": True, "findings": 0}


def test_progress_is_kept_while_it_runs(auditor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, int, int]] = []

    def verify(tell: Progress) -> TrailVerdict:
        tell(30, 120)
        present = Verification.objects.get()
        told.append((present.state, present.done, present.percent))
        return verified(tell)

    verified = verification.verify
    monkeypatch.setattr(runs, "_TELL_SECONDS", 0.0)
    monkeypatch.setattr(runs, "verify", verify)
    runs.request(auditor)
    runs.run_queued()
    assert told == [("running", 30, 25)]


def test_a_run_whose_process_died_is_repeated(auditor: User) -> None:
    asked = runs.request(auditor)
    now = timezone.now()
    Verification.objects.update(started_at=now, seen_at=now)
    assert not runs._is_due()
    Verification.objects.update(seen_at=now - runs.SILENT - timedelta(seconds=1))
    assert runs._is_due()
    assert runs.run_queued() == asked


def test_it_is_due_once_a_day() -> None:
    append(Event(Action.SIGNED_IN), "ann")
    assert not runs._is_due()
    tomorrow = timezone.now() + runs.EVERY + timedelta(minutes=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", lambda: tomorrow)
        assert runs._is_due()
        assert runs.run_queued() is not None
        assert not runs._is_due()


@pytest.mark.django_db(transaction=True)
def test_the_scheduler_starts_a_process_for_it(
    auditor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url())
    append(Event(Action.SIGNED_IN), "ann")
    assert not runs.start_if_due()
    runs.request(auditor)
    assert runs.start_if_due()
    assert not runs.start_if_due()
    runs._process.wait(120)
    verdict = Verification.objects.get().verdict
    assert verdict is not None
    assert verdict.entries == 1


def test_hospital_it_is_alerted(auditor: User, settings: Settings) -> None:
    append(Event(Action.SIGNED_IN), "ann")
    anchor()
    assert health.problems() == []
    AnchorState.objects.update(unwritten="AUDIT_ANCHOR_COPY")
    assert health.problems() == [health.PLACE_AWAY]
    AnchorState.objects.update(at=timezone.now() - LATE)
    assert health.problems() == [health.ANCHORS_LATE]
    behind_its_back("UPDATE audit_auditentry SET actor = 'x' WHERE sequence = 1")
    runs.request(auditor)
    runs.run_queued()
    assert health.problems() == [health.NOT_INTACT, health.ANCHORS_LATE]
    told = {alert.code: str(alert) for alert in alerts.current_alerts()}
    assert "tell an auditor" in told[health.NOT_INTACT]
    assert health.ANCHORS_LATE in told
