"""Auditors search, export and verify the trail; each of these is itself recorded."""

import csv
import io
import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone, translation
from pytest_django.fixtures import Settings

from tests.audit.test_verification import behind_its_back
from tests.helpers import audit_actions
from webportal.accounts.models import User
from webportal.audit import runs, search
from webportal.audit.anchors import anchor
from webportal.audit.messages import OBJECTS
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append, append_all

EVENT_OBJECT = re.compile(r"""\bEvent\(\s*[\w.]+,\s*"([a-z_]+)""")
STUDY = uuid.UUID("11111111-1111-1111-1111-111111111111")


@pytest.fixture(autouse=True)
def _trail_alone(settings: Settings) -> None:
    """The people of these tests are not in the trail."""
    settings.AUDIT_CHECKS = []


@pytest.fixture
def client(auditor: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(auditor)


def shown(client: Client, **filters: str) -> list[int]:
    response = client.get("/audit/", filters)
    assert response.status_code == 200
    return [entry.sequence for entry in response.context["page"].entries]


def test_entries_are_newest_first_and_reading_is_audited(client: Client, auditor: User) -> None:
    first = AuditEntry.objects.order_by("sequence").first()
    assert shown(client) == [1]
    assert first is not None
    assert shown(client, actor=auditor.username) == [2, 1]
    viewed = AuditEntry.objects.filter(action=Action.AUDIT_VIEWED).order_by("sequence")
    assert [entry.detail for entry in viewed] == [{}, {"actor": auditor.username}]
    assert {entry.actor_id for entry in viewed} == {auditor.pk}


def test_filters_narrow_the_trail(client: Client) -> None:
    append(Event(Action.STUDY_VIEWED, "study", STUDY, STUDY), "ann")
    append(Event(Action.JOB_QUEUED, "job", "some-job", STUDY), "ben")
    append(Event(Action.JOB_QUEUED, "job", "other-job"), "ann")
    assert shown(client, actor="ann") == [4, 2]
    assert shown(client, action="job.queued") == [4, 3]
    assert shown(client, object_id=str(STUDY)) == [3, 2]
    assert shown(client, object_id="some-job", actor="ann") == []


def test_date_filters_are_inclusive(client: Client) -> None:
    for day in (1, 2, 2, 3):
        entry = append(Event(Action.STUDY_VIEWED), "ann")
        at = datetime(2020, 1, day, 23, 59, 59, tzinfo=UTC)
        behind_its_back(
            f"UPDATE audit_auditentry SET at = '{at.isoformat()}' WHERE sequence = {entry.sequence}"
        )
    behind_its_back("UPDATE audit_auditentry SET at = '2019-01-01' WHERE sequence = 1")
    assert shown(client, first_day="2020-01-02", last_day="2020-01-02") == [4, 3]
    assert shown(client, last_day="2020-01-01") == [2, 1]
    assert shown(client, first_day="2020-01-03", last_day="9999-12-31")[-1] == 5
    assert shown(client, first_day="2020-01-03", last_day="2020-12-31") == [5]
    tomorrow = (timezone.now() + timedelta(days=2)).date().isoformat()
    assert shown(client, first_day=tomorrow) == []


def test_a_list_in_the_detail_is_shown_as_words(client: Client) -> None:
    detail = {"changed": ["name", "<sex>"], "by": "hand", "count": 2}
    append(Event(Action.PATIENT_CHANGED, detail=detail), "ann")
    page = " ".join(client.get("/audit/").text.replace("</span>", "").split())
    assert "changed name, &lt;sex&gt;" in page
    assert ">by hand" in page
    assert ">count 2" in page


def verified(client: Client, **headers: str) -> str:
    """Ask for a verification, let it run, and return what the page says then."""
    answer = client.post("/audit/verify")
    assert (answer.status_code, answer["Location"]) == (302, "/audit/")
    assert "starts within a few seconds" in client.get("/audit/verification").text
    runs.run_queued()
    return client.get("/audit/verification", headers=headers).text


def test_the_page_abbreviates_hashes_and_an_export_has_them_whole(client: Client) -> None:
    sha256 = "0123456789ab" + "c" * 52
    append(Event(Action.RADIOGRAPH_STORED, "radiograph", STUDY, detail={"sha256": sha256}))
    page = client.get("/audit/").content.decode()
    assert f'<code title="{sha256}">0123456789ab…</code>' in page
    exported = b"".join(client.get("/audit/export", {"format": "jsonl"}))
    assert sha256.encode() in exported


def test_a_verdict_is_shown_even_if_no_entry_can_be_appended(client: Client) -> None:
    append_all([Event(Action.STUDY_VIEWED)] * 3, "ann")
    behind_its_back("UPDATE audit_chainhead SET sequence = 2")
    assert "nothing can be appended" in verified(client)


def test_an_invalid_filter_is_explained(client: Client) -> None:
    response = client.get("/audit/", {"first_day": "yesterday"})
    assert response.status_code == 400
    assert "Enter a valid date" in response.text
    assert audit_actions(action=Action.AUDIT_VIEWED) == []


def test_pages_follow_one_another_without_gaps(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAGE_SIZE", 4)
    append_all([Event(Action.STUDY_VIEWED, "study", str(n)) for n in range(10)], "ann")
    seen: list[int] = []
    address = "/audit/?actor=ann"
    while True:
        response = client.get(address)
        page = response.context["page"]
        seen += [entry.sequence for entry in page.entries]
        if page.older is None:
            break
        address = f"/audit/?actor=ann&before={page.older}"
        assert f"/audit/?actor=ann&amp;before={page.older}" in response.text
    assert seen == list(range(11, 1, -1))


@pytest.mark.parametrize("before", ["x", "-1", "0", "9" * 40, "²"])
def test_an_invalid_position_in_the_trail_shows_a_page(client: Client, before: str) -> None:
    assert client.get("/audit/", {"before": before}).status_code == 200


def test_the_export_contains_the_matching_entries(client: Client) -> None:
    append(Event(Action.STUDY_VIEWED, "study", STUDY, STUDY, {"wo": "Köln, 胸部"}), "@ann")
    append(Event(Action.STUDY_VIEWED, "study", STUDY, STUDY), "ben")

    response = client.get("/audit/export", {"format": "jsonl", "actor": "@ann"})
    lines = b"".join(response).decode().splitlines()
    entry = AuditEntry.objects.get(actor="@ann")
    assert [json.loads(line) for line in lines] == [
        {
            "sequence": 2,
            "at": entry.at.isoformat(),
            "actor_id": "",
            "actor": "@ann",
            "action": "study.viewed",
            "object_type": "study",
            "object_id": str(STUDY),
            "study_id": str(STUDY),
            "detail": {"wo": "Köln, 胸部"},
            "previous_mac": entry.previous_mac,
            "mac": entry.mac,
            "origin": None,
        }
    ]
    assert "attachment" in response["Content-Disposition"]

    response = client.get("/audit/export", {"format": "csv", "object_id": str(STUDY)})
    rows = list(csv.DictReader(io.StringIO(b"".join(response).decode())))
    assert [row["sequence"] for row in rows] == ["3", "2"]
    # A spreadsheet would run '@ann' as a formula.
    assert [row["actor"] for row in rows] == ["ben", "'@ann"]
    assert json.loads(rows[1]["detail"]) == {"wo": "Köln, 胸部"}

    exported = AuditEntry.objects.filter(action=Action.AUDIT_EXPORTED).order_by("sequence")
    assert [entry.detail for entry in exported] == [
        {"format": "jsonl", "actor": "@ann"},
        {"format": "csv", "object_id": str(STUDY)},
    ]


def test_an_unknown_export_format_is_refused(client: Client) -> None:
    assert client.get("/audit/export", {"format": "xlsx"}).status_code == 400
    assert audit_actions(action=Action.AUDIT_EXPORTED) == []


def test_findings_are_in_the_language_of_the_page_and_the_command_in_english(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    append_all([Event(Action.STUDY_VIEWED, "study", str(n)) for n in range(4)])
    behind_its_back("UPDATE audit_auditentry SET actor = 'other' WHERE sequence = 2")
    behind_its_back("DELETE FROM audit_auditentry WHERE sequence = 4")
    page = verified(client, **{"Accept-Language": "ne"})
    assert "प्रविष्टि 2: प्रविष्टिमा हेरफेर गरिएको छ" in page
    assert "प्रविष्टि 4: प्रविष्टि 4 मेटाइएको छ" in page
    with translation.override("ne"), pytest.raises(SystemExit):
        call_command("verify_audit")
    assert "entry 4: entry 4 was deleted" in capsys.readouterr().out


def test_verify_now_shows_the_verdict_in_words(client: Client) -> None:
    page = verified(client)
    assert "The trail is intact." in page
    assert "requested by auditor" in page
    assert "No anchor has been written yet" in page
    anchor()
    assert "No anchor has been written yet" not in verified(client)
    behind_its_back("UPDATE audit_auditentry SET actor = 'other' WHERE sequence = 1")
    page = verified(client)
    assert "The trail is not intact." in page
    assert "entry 1: the entry was altered" in page
    assert "entry 1: the entry was altered" in client.get("/audit/").text
    verdicts = AuditEntry.objects.filter(action=Action.AUDIT_VERIFIED).order_by("sequence")
    assert [entry.detail["intact"] for entry in verdicts] == [True, True, False]


def test_the_command_exits_with_1_if_the_trail_was_changed(
    db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    append(Event(Action.SIGNED_IN), "ann")
    call_command("verify_audit")
    behind_its_back("UPDATE audit_auditentry SET actor = 'other' WHERE sequence = 1")
    with pytest.raises(SystemExit) as exit_:
        call_command("verify_audit")
    assert exit_.value.code == 1
    assert "entry 1: the entry was altered" in capsys.readouterr().out


def test_every_kind_of_object_has_a_label() -> None:
    code = [
        path.read_text()
        for app in ("webportal", "workers", "scheduler")
        for path in Path(app).rglob("*.py")
    ]
    written = {kind for text in code for kind in EVENT_OBJECT.findall(text)}
    assert len(written) > 10
    assert written - set(OBJECTS) == set()
