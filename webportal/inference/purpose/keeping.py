"""Re-evaluating each result's purpose when its patient or study changes."""

import uuid
from collections.abc import Collection

from django.db import transaction
from django.db.models import QuerySet

from webportal.database.clock import clock
from webportal.inference.models import Prediction
from webportal.inference.purpose.rule import KnownFacts, judge
from webportal.inference.summary import lock_studies, refresh_locked
from webportal.records.models import Radiograph

BATCH = 500
# Only the fields that the rule needs: workers load them for every batch.
NEEDED = (
    "view_position",
    "body_part",
    "laterality",
    "patient_age",
    "codes",
    "study__created_at",
    "study__performed_at",
    "study__patient__birth_date",
    "series__description",
)


def load_known_facts(radiographs: Collection[uuid.UUID]) -> dict[uuid.UUID, KnownFacts]:
    """The known facts of each radiograph."""
    found = Radiograph.objects.filter(pk__in=radiographs).select_related("study__patient", "series")
    return {radiograph.pk: KnownFacts.of(radiograph) for radiograph in found.only(*NEEDED)}


@transaction.atomic
def reevaluate(study_ids: Collection[uuid.UUID]) -> None:
    """Re-evaluate all results of the studies, earlier ones too, and update their summaries."""
    locked = lock_studies(study_ids)
    results = Prediction.objects.filter(radiograph__study__in=locked)
    if _write(results):
        refresh_locked(locked)


def evaluate_unjudged() -> int:
    """Evaluate results from before the rule existed, in batches; return how many."""
    done = 0
    while batch := list(
        Prediction.objects.filter(purpose="").values_list("radiograph__study", flat=True)[:BATCH]
    ):
        reevaluate(set(batch))
        done += len(batch)
    return done


def _write(results: QuerySet[Prediction]) -> int:
    """Store the judgements; return how many have changed."""
    found = list(results.select_related("model_version").defer("heatmap", "model_version__card"))
    known = load_known_facts({result.radiograph_id for result in found})
    changed = 0
    for result in found:
        judgement = judge(
            result.model_version.population, known[result.radiograph_id], result.assessed_as
        )
        fields = {"purpose": judgement.purpose.value, "purpose_reasons": judgement.stored}
        if fields != {"purpose": result.purpose, "purpose_reasons": result.purpose_reasons}:
            # A migration has emptied the purpose of a result to be re-evaluated, which may have
            # been sent before.
            was_judged = result.purpose or judgement.stored != result.purpose_reasons
            again = {"rejudged_at": clock()} if was_judged else {}
            Prediction.objects.filter(pk=result.pk).update(**fields, **again)
            changed += 1
    return changed
