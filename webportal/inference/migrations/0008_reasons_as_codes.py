from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Q

from webportal.inference.migrations._sentences import IMAGES, JOBS, found, sentence

MESSAGES = JOBS | IMAGES


def to_codes(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for name in ("Job", "Prediction"):
        rows = apps.get_model("inference", name).objects
        stored = rows.exclude(reason="").order_by().values_list("reason_code", "reason").distinct()
        for code, words in list(stored):
            known, params = found(MESSAGES, code, words)
            rows.filter(reason_code=code, reason=words).update(
                reason_code=known, reason_params=params
            )


def to_sentences(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for name in ("Job", "Prediction"):
        rows = apps.get_model("inference", name).objects.exclude(reason_code="")
        stored = rows.order_by().values_list("reason_code", "reason_params").distinct()
        for code, params in list(stored):
            rows.filter(reason_code=code, reason_params=params).update(
                reason=sentence(MESSAGES, code, params)
            )


class Migration(migrations.Migration):
    dependencies = [("inference", "0007_judge_results_by_the_new_rule")]

    operations = [
        migrations.RemoveConstraint(model_name="job", name="job_reason_given"),
        migrations.RemoveConstraint(model_name="prediction", name="prediction_complete"),
        migrations.AddField(
            model_name="job",
            name="reason_params",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="prediction",
            name="reason_params",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.RunPython(to_codes, to_sentences),
        migrations.RemoveField(model_name="job", name="reason"),
        migrations.RemoveField(model_name="prediction", name="reason"),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=~Q(state__in=["refused", "quarantined"]) | ~Q(reason_code=""),
                name="job_reason_given",
            ),
        ),
        migrations.AddConstraint(
            model_name="prediction",
            constraint=models.CheckConstraint(
                condition=Q(category="not_assessable", probability=None) & ~Q(reason_code="")
                | Q(
                    category__in=["likely", "indeterminate", "unlikely"],
                    probability__gte=0.0,
                    probability__lte=1.0,
                    reason_code="",
                ),
                name="prediction_complete",
            ),
        ),
    ]
