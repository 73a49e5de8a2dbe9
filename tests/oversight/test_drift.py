"""A week of the active version beside its first ones: what is counted, and who is told when."""

import uuid
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.factories import make_model_version, make_prediction, make_study, make_worker
from tests.helpers import database_url
from tests.reading import read
from webportal.accounts.models import User
from webportal.inference.models import Job, ModelVersion, Prediction
from webportal.notifications import run
from webportal.notifications.alerts import PATIENCE
from webportal.notifications.models import Notification, SystemAlert
from webportal.oversight.drift import groups, health, starting
from webportal.oversight.drift.weeks import WEEK, compute_due, last_complete_week
from webportal.oversight.models import DriftWeek
from webportal.oversight.statistics import (
    kolmogorov_smirnov,
    population_stability,
    smirnov_limit,
    stability_of_counts,
)
from webportal.records.models import Radiograph, Series, Study

RANDOM = np.random.default_rng(7)
Scores = Sequence[float | None]


def usual(count: int) -> list[float]:
    """Scores as the model gives them: most are low or high."""
    return [float(each) for each in RANDOM.beta(0.4, 0.6, count)]


def higher(count: int) -> list[float]:
    return [float(each) for each in RANDOM.beta(0.9, 0.6, count)]


# ── The measures ────────────────────────────────────────────────────────────────────────────────


def test_the_limit_is_hardly_ever_exceeded_without_a_change() -> None:
    found = [population_stability(np.array(usual(800)), np.array(usual(200))) for _ in range(1000)]
    # (10 - 1) (1/200 + 1/800), less what the half images of smoothing take away.
    assert np.mean(found) == pytest.approx(0.056, abs=0.006)
    assert max(found) < 0.2


def test_a_shift_exceeds_it() -> None:
    assert population_stability(np.array(usual(800)), np.array(higher(200))) > 0.25


def test_the_index_of_counts_by_hand() -> None:
    found = stability_of_counts(np.array([9999, 9999]), np.array([14999, 4999]))
    assert found == pytest.approx(0.25 * np.log(1.5) - 0.25 * np.log(0.5), abs=1e-3)


def test_the_distance_is_that_of_the_distribution_functions() -> None:
    one, other = np.round(RANDOM.random(40), 1), np.round(RANDOM.random(30) ** 2, 1)
    steps = np.linspace(-0.05, 1.05, 12)
    expected = max(abs((one <= step).mean() - (other <= step).mean()) for step in steps)
    assert kolmogorov_smirnov(one, other) == pytest.approx(expected)
    assert kolmogorov_smirnov(one, one) == 0


def test_its_limit_is_exceeded_by_chance_in_one_sample_of_twenty() -> None:
    limit = smirnov_limit(400, 200)
    exceeded = sum(
        kolmogorov_smirnov(RANDOM.random(400), RANDOM.random(200)) > limit for _ in range(2000)
    )
    assert 60 <= exceeded <= 130


# ── The weeks ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def model(db: None) -> ModelVersion:
    """A version that has been active for seven whole weeks."""
    begun = midnight(last_complete_week() - 6 * WEEK)
    return make_model_version(is_active=True, activated_at=begun)


def midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


def weeks_ago(number: int) -> date:
    """The Monday of that week; 0 is the last complete one."""
    return last_complete_week() - number * WEEK


def fill(model: ModelVersion, monday: date, scores: Scores, **image: Any) -> list[Prediction]:
    """Results in a week; None for an image that the gate refuses."""
    study = make_study()
    at = midnight(monday) + timedelta(days=3)
    radiographs, jobs, results = [], [], []
    for score in scores:
        sha = uuid.uuid4().hex * 2
        radiographs.append(
            Radiograph(
                study=study,
                sop_instance_uid=f"2.25.{uuid.uuid4().int}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
                modality="DX",
                rows=1,
                columns=1,
                bits_stored=8,
                media_type="application/dicom",
                original_sha256=sha,
                original_key=sha,
                original_bytes=1,
                dicom_sha256=sha,
                dicom_key=sha,
                **{"view_position": "PA"} | image,
            )
        )
        refused = score is None
        jobs.append(
            Job(
                radiograph=radiographs[-1],
                study=study,
                state="refused" if refused else "done",
                reason_code="rotated" if refused else "",
                queued_at=at,
                finished_at=at,
                created_by=study.created_by,
            )
        )
        results.append(
            Prediction(
                radiograph=radiographs[-1],
                job=jobs[-1],
                model_version=model,
                category="not_assessable" if refused else "indeterminate",
                probability=score,
                reason_code="rotated" if refused else "",
                purpose="within",
                heatmap=b"",
                worker="a",
                device="cpu",
                created_at=at,
            )
        )
    Radiograph.objects.bulk_create(radiographs)
    Job.objects.bulk_create(jobs)
    return Prediction.objects.bulk_create(results)


def fill_reference(model: ModelVersion) -> None:
    for number in (6, 5, 4, 3):
        fill(model, weeks_ago(number), usual(200))


def week(number: int = 0) -> DriftWeek:
    return DriftWeek.objects.get(starts_on=weeks_ago(number))


def find_after_patience() -> None:
    run.create_due()
    SystemAlert.objects.filter(cleared_at=None).update(since=timezone.now() - PATIENCE)
    run.create_due()


def test_a_shift_is_noticed_and_hospital_it_is_told(
    model: ModelVersion, it_person: User, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    make_worker()
    fill_reference(model)
    fill(model, weeks_ago(0), higher(200))
    assert compute_due() == 7
    found = week()
    assert found.psi is not None
    assert found.ks is not None
    assert found.psi > 0.25
    assert found.ks > smirnov_limit(800, 200)
    assert (found.scored, found.reference_scored, found.is_reference) == (200, 800, False)
    assert health.problems() == ["model_drift"]
    find_after_patience()
    told = Notification.objects.get(alert__code="model_drift")
    assert told.recipient == it_person
    page = sign_in(it_person).get("/models/drift").text
    assert "distributed differently than in the reference" in page
    metrics = sign_in(it_person).get("/metrics").text
    assert f"chestline_model_score_psi {found.psi}" in metrics
    assert 'chestline_alert{code="model_drift"} 1' in metrics
    # Once another version is active it has weeks of its own.
    ModelVersion.objects.update(is_active=False)
    make_model_version("test-2", is_active=True)
    assert health.problems() == []


def test_weeks_alike_raise_no_alarm(
    model: ModelVersion, it_person: User, sign_in: Callable[[User], Client]
) -> None:
    fill_reference(model)
    for number in (2, 1, 0):
        fill(model, weeks_ago(number), usual(200))
    compute_due()
    for number in (2, 1, 0):
        psi = week(number).psi
        assert psi is not None
        assert psi < 0.2
    assert health.problems() == []
    assert "distributed differently" not in sign_in(it_person).get("/models/drift").text


def test_too_few_images_are_not_compared(
    model: ModelVersion, it_person: User, sign_in: Callable[[User], Client]
) -> None:
    fill_reference(model)
    fill(model, weeks_ago(0), higher(199))
    compute_due()
    assert (week().psi, week().ks) == (None, None)
    assert health.problems() == []
    assert "Too few to compare" in sign_in(it_person).get("/models/drift").text


def test_the_first_weeks_with_images_are_the_reference(
    model: ModelVersion, settings: Settings
) -> None:
    settings.DRIFT_REFERENCE_WEEKS = 2
    settings.DRIFT_MIN_IMAGES = 6
    for number in (5, 3, 2):
        fill(model, weeks_ago(number), usual(3))
    compute_due()
    reference = DriftWeek.objects.filter(is_reference=True).values_list("starts_on", flat=True)
    assert list(reference) == [weeks_ago(5), weeks_ago(3)]
    assert week(6).scored == 0
    assert week(2).reference_scored == 6


def test_a_slow_start_makes_the_reference_longer(
    model: ModelVersion, it_person: User, sign_in: Callable[[User], Client]
) -> None:
    for number in (6, 5, 4, 3):
        fill(model, weeks_ago(number), usual(5))
    fill(model, weeks_ago(2), usual(180))
    for number in (1, 0):
        fill(model, weeks_ago(number), higher(200))
    compute_due()
    reference = DriftWeek.objects.filter(is_reference=True).values_list("starts_on", flat=True)
    assert list(reference) == [weeks_ago(number) for number in (6, 5, 4, 3, 2)]
    assert week(1).reference_scored == 200
    assert health.problems() == ["model_drift"]
    page = sign_in(it_person).get("/models/drift").text
    assert "or more until they have 200 scores" in page


def test_a_week_is_computed_once_and_only_if_it_was_whole(model: ModelVersion) -> None:
    begun = midnight(weeks_ago(2)) + timedelta(days=2)
    ModelVersion.objects.update(activated_at=begun)
    assert compute_due() == 2
    fill(model, weeks_ago(1), usual(5))
    assert compute_due() == 0
    assert set(DriftWeek.objects.values_list("starts_on", "scored")) == {
        (weeks_ago(1), 0),
        (weeks_ago(0), 0),
    }


def test_only_scores_that_count_are_compared_and_every_image_is_counted(
    model: ModelVersion,
) -> None:
    fill(model, weeks_ago(0), [0.9, 0.1, None])
    outside, withheld, adult = fill(model, weeks_ago(0), [0.9, None, 0.5])
    Prediction.objects.filter(pk=adult.pk).update(assessed_as="adult")
    Prediction.objects.filter(pk=outside.pk).update(purpose="outside")
    Prediction.objects.filter(pk=withheld.pk).update(purpose="withheld")
    fill(model, weeks_ago(1), [0.5])
    fill(make_model_version("test-2"), weeks_ago(0), [0.5])
    compute_due()
    assert week().scored == 2
    results = {"scored": 2, "refused": 1, "outside": 1, "withheld": 1, "as_adult": 1}
    assert week().figures["results"] == results


def test_an_image_that_was_analysed_again_counts_once(model: ModelVersion) -> None:
    (first,) = fill(model, weeks_ago(0), [0.1])
    (again,) = fill(model, weeks_ago(0), [0.9])
    Prediction.objects.filter(pk=first.pk).update(is_current=False)
    Prediction.objects.filter(pk=again.pk).update(radiograph=first.radiograph)
    Job.objects.filter(pk=again.job_id).update(
        radiograph=first.radiograph, finished_at=first.created_at + timedelta(hours=1)
    )
    compute_due()
    assert week().scored == 1


def test_ages_views_and_equipment_are_counted(model: ModelVersion) -> None:
    study = make_study()
    common, rare = (
        Series.objects.create(
            study=study, series_instance_uid=f"2.25.{n}", manufacturer=maker, model_name="DR  1"
        )
        for n, maker in enumerate(("Acme", "Rare"))
    )
    fill(model, weeks_ago(0), usual(5), series=common, patient_age="003Y")
    fill(model, weeks_ago(0), usual(2), series=rare, patient_age="070Y", view_position="AP")
    fill(model, weeks_ago(0), usual(1), view_position="LL")
    fill(model, weeks_ago(0), usual(1), view_position="")
    compute_due()
    figures = week().figures
    assert figures["ages"] == {"1_to_5": 5, "65_and_over": 2, "unknown": 2}
    assert figures["views"] == {"pa": 5, "ap": 2, "not_frontal": 1, "unknown": 1}
    assert figures["equipment"] == {"Acme · DR 1": 5, "others": 2, "unknown": 2}
    assert set(figures["ages"]) <= set(groups.AGES)
    assert set(figures["views"]) <= set(groups.VIEWS)


def test_overruled_results_are_counted_by_the_week_of_the_signature(
    model: ModelVersion, radiologist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for category, finding in (("likely", "definite"), ("likely", "none"), ("unlikely", "none")):
        read(make_prediction(category=category), radiologist, finding)
    other = make_prediction(model_version=make_model_version("test-2"))
    read(other, radiologist, "none")
    this_week = timezone.localdate() - timedelta(days=timezone.localdate().weekday())
    # Seen from two weeks later, this week is over.
    later = timezone.now() + timedelta(days=14)
    monkeypatch.setattr("webportal.oversight.drift.weeks.timezone.now", lambda: later)
    compute_due()
    figures = DriftWeek.objects.get(starts_on=this_week).figures
    assert (figures["reads"], figures["overruled"]) == (3, 1)


def test_the_page_names_the_reference_and_shows_no_patient(
    model: ModelVersion, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    ModelVersion.objects.update(figures={"random": {"refused": 0.0113}})
    reader = sign_in(radiologist)
    assert "Nothing yet" in reader.get("/models/drift").text
    fill_reference(model)
    fill(model, weeks_ago(0), usual(250))
    compute_due()
    for address in ("/models/drift", "/models/drift?as=tables"):
        page = reader.get(address).text
        assert "4 weeks, 800 scores" in page
        assert f": {weeks_ago(6)} – {weeks_ago(2) - timedelta(days=1)}." in page
        assert "random: 1.1 %" in page
        assert "no distribution of scores" in page
        for study in Study.objects.all():
            assert str(study.pk) not in page
            assert study.patient.patient_id not in page


@pytest.mark.django_db(transaction=True)
def test_the_scheduler_starts_a_process_that_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url())
    assert not starting.start_if_due()
    version = make_model_version("test-1", is_active=True)
    ModelVersion.objects.update(activated_at=midnight(weeks_ago(1)))
    fill(version, weeks_ago(0), usual(3))
    assert starting.start_if_due()
    assert starting._process.wait(240) == 0
    assert sorted(DriftWeek.objects.values_list("scored", flat=True)) == [0, 3]
    assert not starting.start_if_due()
