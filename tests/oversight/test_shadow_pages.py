"""Hospital IT starts, compares and ends a trial."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.accounts.soft_passkey import SoftPasskey
from tests.conftest import PASSWORD
from tests.factories import make_package, make_prediction, make_worker
from tests.helpers import audit_actions, let_time_pass
from tests.oversight.cases import make_answer, make_shadow
from tests.reading import read
from webportal.accounts.models import Role, User
from webportal.audit.models import AuditEntry
from webportal.charts import LEFT, RIGHT
from webportal.inference import registry
from webportal.inference.models import ModelVersion, Prediction
from webportal.oversight.models import Shadow
from webportal.oversight.shadow.comparison import TrialComparison
from webportal.oversight.shadow_plots import score_plot
from webportal.records.choices import Category
from webportal.review.models import SecondReading

pytestmark = pytest.mark.django_db


@pytest.fixture
def office(it_person: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(it_person)


@pytest.fixture
def versions(tmp_path: Path) -> list[ModelVersion]:
    """The first is active."""
    return [registry.register(make_package(tmp_path / name), None)[0] for name in ("1", "2", "3")]


def form(model: ModelVersion, **more: Any) -> dict[str, Any]:
    until = timezone.localdate() + timedelta(days=7)
    return {"model": str(model.pk), "share": 50, "until": until, "password": PASSWORD} | more


def start(office: Client, model: ModelVersion, **more: Any) -> Any:
    return office.post("/models/shadow/start", form(model, **more), follow=True)


def test_a_trial_is_started_with_the_password_and_is_in_the_trail(
    office: Client, versions: list[ModelVersion], it_person: User
) -> None:
    wrong = start(office, versions[1], password="wrong")
    assert "password" in wrong.text
    assert not Shadow.objects.exists()
    page = start(office, versions[1]).text
    assert "2 in shadow mode, compared with 1" in page
    shadow = Shadow.objects.get()
    assert (shadow.started_by, shadow.share, shadow.beside) == (it_person, 50, versions[0])
    assert timezone.localtime(shadow.ends_at).date() == timezone.localdate() + timedelta(days=8)
    entry = AuditEntry.objects.get(action="shadow.started")
    assert (entry.actor, entry.detail["version"], entry.detail["beside"]) == ("it", "2", "1")


def test_only_one_runs_and_never_the_active_version(
    office: Client, versions: list[ModelVersion], tmp_path: Path
) -> None:
    assert start(office, versions[0]).status_code == 422
    (tmp_path / "3" / "gate.npz").write_bytes(b"another gate")
    assert "cannot be run" in start(office, versions[2]).text
    start(office, versions[1])
    assert "already running in shadow mode" in start(office, versions[1]).text
    assert Shadow.objects.count() == 1
    # After the end another one may begin, before the scheduler has noted that end.
    Shadow.objects.update(ends_at=timezone.now())
    start(office, versions[1])
    assert Shadow.objects.count() == 2


@pytest.mark.parametrize(
    "spoilt", [{"share": 0}, {"share": 101}, {"until": "2000-01-01"}, {"until": "2999-01-01"}]
)
def test_nonsense_is_refused(
    office: Client, versions: list[ModelVersion], spoilt: dict[str, Any]
) -> None:
    assert start(office, versions[1], **spoilt).status_code == 422
    assert not Shadow.objects.exists()


def test_it_is_ended_with_the_password(office: Client, it_person: User) -> None:
    shadow = make_shadow(it_person)
    address = f"/models/shadow/{shadow.pk}/end"
    office.post(address, {"password": "wrong"})
    shadow.refresh_from_db()
    assert shadow.is_open
    office.post(address, {"password": PASSWORD})
    shadow.refresh_from_db()
    assert (shadow.end, shadow.ended_by) == ("stopped", it_person)
    office.post(address, {"password": PASSWORD})
    assert audit_actions(object_id=str(shadow.pk)) == ["shadow.ended"]


def test_a_passkey_does_as_well(versions: list[ModelVersion], it_person: User) -> None:
    office, passkey = Client(headers={"Host": "localhost"}), SoftPasskey()
    office.login(username=it_person.username, password=PASSWORD)
    account = "/account/second-factor/passkeys"
    made = passkey.make(office.post(f"{account}/options").json())
    office.post(account, {"name": "Laptop", "passkey": made})
    answer = passkey.answer(office.post("/models/shadow/passkey").json())
    start(office, versions[1], password="", passkey=answer)
    assert Shadow.objects.exists()


# ── The comparison ──────────────────────────────────────────────────────────────────────────────


def assessed(probability: float) -> Prediction:
    category = Category.LIKELY if probability >= 0.8 else Category.INDETERMINATE
    if probability < 0.2:
        category = Category.UNLIKELY
    return make_prediction(category=category, probability=probability)


def test_agreement_gate_and_shift(it_person: User, office: Client) -> None:
    shadow = make_shadow(it_person)
    for active, other in ((0.9, 0.8), (0.9, 0.1), (0.1, 0.9), (0.1, 0.05), (0.3, 0.1)):
        make_answer(shadow, other, assessed(active))
    make_answer(shadow, None, assessed(0.9))
    make_answer(shadow, 0.9, make_prediction(category=Category.NOT_ASSESSABLE))
    outside = make_answer(shadow, 0.9, assessed(0.1))
    Prediction.objects.filter(pk=outside.prediction_id).update(purpose="outside")
    found = TrialComparison(shadow)
    answers = found.answers
    assert (answers.both, answers.only_first, answers.only_second, answers.neither) == (1, 1, 1, 2)
    assert (found.agreement.count, found.agreement.of) == (3, 5)
    assert (found.gate.count, found.gate.of) == (2, 7)
    assert found.shift is not None
    assert found.shift.value == pytest.approx((-0.1 - 0.8 + 0.8 - 0.05 - 0.2) / 5)
    assert dict(found.categories)["Pneumonia likely"] == [1, 0, 1, 1]
    assert sum(found.histograms[0]) == sum(found.histograms[1]) == 5
    # The axis names the scores where the bins end.
    ticks = [(tick.label, tick.at) for tick in score_plot(found).x_ticks]
    assert [label for label, _ in ticks] == ["20", "40", "60", "80", "100"]
    assert ticks[0][1] == pytest.approx(LEFT + (RIGHT - LEFT) / 5, abs=0.05)
    assert ticks[-1][1] == RIGHT
    page = office.get(f"/models/shadow/{shadow.pk}").text
    assert "60.0 % (23.1–88.2)" in page
    assert "7.0 points lower" in page


def test_both_are_held_against_the_deciding_reads(
    it_person: User, radiologist: User, make_user: Callable[..., User]
) -> None:
    shadow = make_shadow(it_person)
    # Reads of a study that waits for its second reader are not counted.
    for number in range(24):
        has_pneumonia = number % 2 == 0
        seen = assessed(0.85 + number / 1000)
        read(seen, radiologist, "definite" if has_pneumonia else "none")
        make_answer(shadow, 0.9 if has_pneumonia else 0.3, seen)
        if number >= 22:
            SecondReading.objects.create(study=seen.radiograph.study, reason="drawn", due="second")
    # Signed a moment ago, they may still be taken back.
    assert TrialComparison(shadow).against_reads.areas is None
    let_time_pass()
    found = TrialComparison(shadow).against_reads
    assert (found.positive, found.negative) == (11, 11)
    assert found.areas is not None
    assert found.areas.first.value == pytest.approx(0.45, abs=0.02)
    assert found.areas.second.value == 1.0
    assert found.areas.difference.interval[0] > 0
    # All of these readers had seen a result.
    unaided = TrialComparison(shadow).against_unaided_reads
    assert (unaided.positive, unaided.negative, unaided.areas) == (0, 0, None)


def test_no_study_or_patient_is_on_the_page(it_person: User, office: Client) -> None:
    shadow = make_shadow(it_person)
    answers = [make_answer(shadow, 0.9), make_answer(shadow, 0.1)]
    page = office.get(f"/models/shadow/{shadow.pk}").text
    for answer in answers:
        study = answer.radiograph.study
        for secret in (study.pk, study.patient.patient_id, answer.radiograph_id, study.patient_id):
            assert str(secret) not in page


def test_readers_are_not_even_shown_the_link(
    it_person: User,
    radiologist: User,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> None:
    make_shadow(it_person)
    assert "/models/shadow" in sign_in(it_person).get("/models").text
    assert "/models/shadow" not in sign_in(radiologist).get("/models").text
    both = make_user(Role.RADIOLOGIST, Role.COORDINATOR, username="both")
    assert sign_in(both).get("/models/shadow").status_code == 403


@pytest.mark.parametrize(
    ("state", "is_named"),
    [
        ({}, True),
        ({"is_draining": True}, False),
        ({"stopped_at": timezone.now()}, False),
        ({"last_seen_at": timezone.now() - timedelta(hours=1)}, False),
    ],
    ids=["at work", "drained", "stopped", "lost"],
)
def test_a_worker_in_trouble_is_named_while_it_is_at_work(
    state: dict[str, Any], is_named: bool, office: Client, it_person: User
) -> None:
    shadow = make_shadow(it_person, failing="gpu-7", cannot_load="gpu-7")
    make_worker("gpu-7", **state)
    page = office.get(f"/models/shadow/{shadow.pk}").text
    assert ("Worker gpu-7 keeps failing in this trial" in page) is is_named
    assert ("Worker gpu-7 could not load the version" in page) is is_named
