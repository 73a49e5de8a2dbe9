"""The purpose verdict stored with results and studies is kept up to date."""

from dataclasses import replace
from datetime import UTC, date, datetime
from importlib import import_module
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from tests.factories import make_model_version, make_patient, make_study, make_uploader
from tests.inference.cases import claim_one, likely, make_radiograph, unlikely
from webportal.audit.models import Action, AuditEntry
from webportal.inference.claims import JobResult, write_back
from webportal.inference.models import Job, JobState, Prediction
from webportal.inference.purpose.keeping import evaluate_unjudged
from webportal.inference.purpose.rule import KnownFacts, judge
from webportal.inference.queue import enqueue
from webportal.records.choices import Category, Concern, Purpose
from webportal.records.models import Patient, Radiograph, Series, Study
from webportal.records.services import change_patient

pytestmark = pytest.mark.django_db

POPULATION = {"prevalence": 0.5, "youngest_years": 1, "oldest_years": 5, "views": ["AP"]}
CHILD, ADULT = date(2023, 1, 1), date(1980, 1, 1)


def study_of(born: date | None = CHILD) -> Study:
    return make_study(
        patient=make_patient(birth_date=born), performed_at=datetime(2026, 3, 1, 12, tzinfo=UTC)
    )


def assessed(
    study: Study, make: Any = likely, probability: float = 0.9, **header: Any
) -> JobResult:
    """An image with this header, and the worker's answer for it written back."""
    radiograph = make_radiograph(study)
    fields = {"view_position": "AP", "body_part": "CHEST", **header}
    Radiograph.objects.filter(pk=radiograph.pk).update(**fields)
    enqueue(radiograph, make_uploader())
    result: JobResult = make(claim_one(), probability)
    model = make_model_version("for-children", population=POPULATION)
    write_back("a", "CPU", model, [result])
    study.refresh_from_db()
    return result


def of(result: JobResult) -> Prediction:
    return Prediction.objects.get(job=result.job.id)


def summary(study: Study) -> tuple[str, int, float | None, bool, int]:
    study.refresh_from_db()
    return (
        study.category,
        study.concern,
        study.probability,
        study.images_differ,
        study.images_withheld,
    )


def test_a_result_within_its_purpose_is_stored_as_is() -> None:
    study = study_of()
    prediction = of(assessed(study))
    assert (prediction.category, prediction.probability) == ("likely", 0.9)
    assert (prediction.purpose, prediction.purpose_reasons) == (Purpose.WITHIN, [])
    assert summary(study) == (Category.LIKELY, Concern.LIKELY, 0.9, False, 0)


@pytest.mark.parametrize(
    ("header", "reason_code"),
    [
        ({"view_position": "XTABLE LATERAL"}, "not_frontal_view"),
        (
            {
                "view_position": "",
                "codes": [
                    {"of": "view", "value": "399067008", "scheme": "SCT", "meaning": "lateral"}
                ],
            },
            "not_frontal_view",
        ),
        (
            {
                "view_position": "",
                "codes": [{"of": "described", "value": "", "scheme": "", "meaning": "Chest LAT"}],
            },
            "not_frontal_view",
        ),
        ({"body_part": "HAND"}, "not_chest"),
        ({"body_part": "RIBS"}, "part_of_chest"),
    ],
)
def test_no_figure_of_a_withheld_result_is_stored_anywhere(
    header: dict[str, Any], reason_code: str
) -> None:
    study = study_of()
    prediction = of(assessed(study, **header))
    assert (prediction.category, prediction.probability) == ("not_assessable", None)
    assert (prediction.purpose, prediction.reason_code) == (Purpose.WITHHELD, reason_code)
    assert "The file says" in str(prediction.reason)
    assert not any(bytes(prediction.heatmap))
    assert Job.objects.get().state == JobState.REFUSED
    assert summary(study)[:3] == (Category.NOT_ASSESSABLE, Concern.NOT_ASSESSABLE, None)
    detail = AuditEntry.objects.get(action=Action.JOB_FINISHED).detail
    assert "probability" not in detail
    assert detail["purpose"] == "withheld"


def test_a_withheld_result_states_its_reason() -> None:
    prediction = of(assessed(study_of(ADULT), view_position="LATERAL"))
    codes = [code for code, _ in prediction.purpose_reasons]
    assert codes == ["not_frontal_view", "age_outside"]
    assert prediction.reason_code == "not_frontal_view"
    assert Job.objects.get().reason_code == "not_frontal_view"


@pytest.mark.parametrize("make", [likely, unlikely])
def test_a_result_outside_the_purpose_ranks_with_those_that_need_a_person(make: Any) -> None:
    study = study_of(ADULT)
    prediction = of(assessed(study, make))
    assert prediction.category in ("likely", "unlikely")
    assert prediction.probability == 0.9
    assert (prediction.shown_category, prediction.shown_probability) == ("outside_purpose", None)
    expected = (Category.OUTSIDE_PURPOSE, Concern.NOT_ASSESSABLE, None, False, 0)
    assert summary(study) == expected
    assert study.purpose == Purpose.OUTSIDE
    assert study.purpose_reasons[0][0] == "age_outside"


def test_unknown_facts_do_not_change_the_rank_of_a_result() -> None:
    study = study_of(None)
    assessed(study, view_position="")
    assert summary(study) == (Category.LIKELY, Concern.LIKELY, 0.9, False, 0)
    assert study.purpose == Purpose.UNCONFIRMED
    assert [code for code, _ in study.purpose_reasons] == ["view_unknown", "age_unknown"]


@pytest.mark.parametrize("lateral_first", [True, False])
def test_the_frontal_view_counts_rather_than_the_lateral(*, lateral_first: bool) -> None:
    study = study_of()
    for view in ("LAT", "AP") if lateral_first else ("AP", "LAT"):
        assessed(study, unlikely, 0.1, view_position=view)
    assert summary(study) == (Category.UNLIKELY, Concern.UNLIKELY, 0.1, False, 1)


def test_the_worse_of_two_frontal_views_counts_and_the_difference_is_stored() -> None:
    study = study_of()
    assessed(study, unlikely, 0.1)
    assert summary(study) == (Category.UNLIKELY, Concern.UNLIKELY, 0.1, False, 0)
    assessed(study, likely, 0.9)
    assert summary(study) == (Category.LIKELY, Concern.LIKELY, 0.9, True, 0)
    assessed(study, likely, 0.95)
    assert summary(study) == (Category.LIKELY, Concern.LIKELY, 0.95, True, 0)


def test_a_corrected_birth_date_updates_the_verdict_at_once() -> None:
    study = study_of()
    prediction = of(assessed(study))
    change_patient(study.patient, {"birth_date": ADULT}, make_uploader())
    assert summary(study)[0] == Category.OUTSIDE_PURPOSE
    prediction.refresh_from_db()
    assert prediction.purpose_reasons == [
        ["age_outside", {"months": 554, "youngest": 1, "oldest": 5}]
    ]
    change_patient(study.patient, {"birth_date": CHILD}, make_uploader())
    assert summary(study) == (Category.LIKELY, Concern.LIKELY, 0.9, False, 0)


def test_moving_or_dating_a_study_re_evaluates_its_results() -> None:
    study = study_of()
    assessed(study)
    study.patient = make_patient(birth_date=ADULT)
    study.save(update_fields=["patient"])
    assert summary(study)[0] == Category.OUTSIDE_PURPOSE
    study.performed_at = datetime(1983, 3, 1, tzinfo=UTC)
    study.save(update_fields=["performed_at"])
    assert summary(study)[0] == Category.LIKELY
    Patient.objects.get(pk=study.patient_id).save()
    assert summary(study)[0] == Category.LIKELY


def test_results_from_before_the_rule_are_evaluated_by_prepare() -> None:
    adult, lateral, child = study_of(ADULT), study_of(), study_of()
    results = [assessed(study) for study in (adult, lateral, child)]
    images = lateral.radiographs.values("pk")
    Radiograph.objects.filter(pk__in=images).update(view_position="LATERAL")
    Prediction.objects.update(purpose="", purpose_reasons=[])
    Study.objects.update(category="likely", concern=Concern.LIKELY, probability=0.9, purpose="")
    call_command("prepare", verbosity=0)
    assert [of(result).purpose for result in results] == ["outside", "withheld", "within"]
    assert summary(adult)[:3] == (Category.OUTSIDE_PURPOSE, Concern.NOT_ASSESSABLE, None)
    assert summary(lateral)[:3] == (Category.NOT_ASSESSABLE, Concern.NOT_ASSESSABLE, None)
    assert summary(child)[:3] == (Category.LIKELY, Concern.LIKELY, 0.9)
    assert evaluate_unjudged() == 0


def test_a_series_called_lateral_withholds_results_from_before_descriptions_were_read() -> None:
    study = study_of()
    result = assessed(study, view_position="")
    image = Radiograph.objects.get()
    image.series = Series.objects.create(
        study=study, series_instance_uid="2.25.1", description="Thorax lateral"
    )
    image.save(update_fields=["series"])
    Prediction.objects.update(rejudged_at=None)
    migration = import_module("webportal.inference.migrations.0018_judge_by_series_descriptions")
    with connection.cursor() as cursor:
        cursor.execute(migration.DESCRIBED_BY_SERIES)
    call_command("prepare", verbosity=0)
    prediction = of(result)
    assert prediction.purpose == Purpose.WITHHELD
    assert ["not_frontal_view", {"view": "Thorax lateral"}] in prediction.purpose_reasons
    assert summary(study)[0] == Category.NOT_ASSESSABLE
    # What has left of it is withdrawn: destinations are asked about what was re-evaluated.
    assert prediction.rejudged_at is not None


def test_an_adults_result_is_not_shown_while_results_are_judged_by_descriptions() -> None:
    """The former release shows results, and sends them, until prepare has judged all of them."""
    study = study_of(ADULT)
    result = assessed(study)
    image = Radiograph.objects.get()
    image.series = Series.objects.create(
        study=study, series_instance_uid="2.25.1", description="Thorax"
    )
    image.save(update_fields=["series"])
    migration = import_module("webportal.inference.migrations.0018_judge_by_series_descriptions")
    with connection.cursor() as cursor:
        cursor.execute(migration.DESCRIBED_BY_SERIES)
    assert of(result).shown_category == Category.OUTSIDE_PURPOSE
    assert of(result).shown_probability is None


def test_an_adults_result_is_not_shown_while_unknown_views_are_re_evaluated() -> None:
    results = [assessed(study_of(born), view_position="OBLONG") for born in (ADULT, CHILD)]
    migration = import_module("webportal.inference.migrations.0017_judge_unknown_views_anew")
    with connection.cursor() as cursor:
        cursor.execute(migration.UNKNOWN_VIEWS)
    adults, childs = [of(result) for result in results]
    assert adults.shown_category == Category.OUTSIDE_PURPOSE
    assert adults.shown_probability is None
    assert childs.purpose == ""


def test_a_description_of_the_image_itself_counts_rather_than_that_of_its_series() -> None:
    read = {"of": "described", "value": "", "scheme": "", "meaning": "Thorax"}
    facts = KnownFacts(received=date(2026, 3, 1), codes=[read], series_description="Thorax lateral")
    assert judge({}, facts).purpose == Purpose.WITHIN
    assert judge({}, replace(facts, codes=[])).purpose == Purpose.WITHHELD
