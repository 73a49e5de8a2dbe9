import django.db.models.deletion
import uuid
import webportal.records.shown_result
from django.conf import settings
from django.db import migrations, models

from webportal.database.creation import CreateModels


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("inference", "0001_initial"),
        ("inference", "0002_remove_job_hinted_at"),
        ("inference", "0003_pattern_correction_and_activation"),
        ("inference", "0004_find_jobs_by_study"),
        ("inference", "0005_purpose_of_results"),
        ("inference", "0006_analysis_failed"),
        ("inference", "0007_judge_results_by_the_new_rule"),
        ("inference", "0008_reasons_as_codes"),
        ("inference", "0009_pauses"),
        ("inference", "0010_queue_periods"),
        ("inference", "0011_worker_facts"),
        ("inference", "0012_worker_loading"),
        ("inference", "0013_job_traceparent"),
        ("inference", "0014_no_jobs_of_priors"),
        ("inference", "0015_rejudged"),
        ("inference", "0016_oldest_protocol"),
        ("inference", "0017_judge_unknown_views_anew"),
        ("inference", "0018_judge_by_series_descriptions"),
        ("inference", "0019_worker_measured"),
    ]

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("records", "0003_words_of_a_study"),
    ]

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="OldestProtocol",
                    fields=[
                        (
                            "protocol",
                            models.PositiveSmallIntegerField(primary_key=True, serialize=False),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Worker",
                    fields=[
                        (
                            "name",
                            models.CharField(max_length=150, primary_key=True, serialize=False),
                        ),
                        ("device", models.CharField(blank=True, max_length=100)),
                        ("model_version", models.CharField(blank=True, max_length=50)),
                        ("host", models.CharField(blank=True, max_length=100)),
                        ("program_version", models.CharField(blank=True, max_length=50)),
                        (
                            "loading_since",
                            models.DateTimeField(
                                blank=True,
                                help_text="Since when it has been loading another model version.",
                                null=True,
                            ),
                        ),
                        (
                            "is_draining",
                            models.BooleanField(
                                default=False, help_text="Set by hospital IT: take no further jobs."
                            ),
                        ),
                        (
                            "stop_requested_at",
                            models.DateTimeField(
                                blank=True,
                                help_text="Set by hospital IT: end. Cleared by the next start.",
                                null=True,
                            ),
                        ),
                        ("started_at", models.DateTimeField()),
                        ("last_seen_at", models.DateTimeField()),
                        ("stopped_at", models.DateTimeField(blank=True, null=True)),
                        ("finished_jobs", models.PositiveBigIntegerField(default=0)),
                        (
                            "log_tail",
                            models.TextField(blank=True, help_text="The last lines of its log."),
                        ),
                        (
                            "measured",
                            models.JSONField(
                                blank=True,
                                db_default={},
                                default=dict,
                                help_text="Its histograms since it started, see webportal.inference.worker_metrics.",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["name"],
                    },
                ),
                migrations.CreateModel(
                    name="Job",
                    fields=[
                        ("reason_code", models.CharField(blank=True, max_length=40)),
                        ("reason_params", models.JSONField(blank=True, default=dict)),
                        (
                            "id",
                            models.UUIDField(
                                default=uuid.uuid4,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Queued"),
                                    ("running", "Running"),
                                    ("done", "Done"),
                                    ("refused", "Not assessable"),
                                    ("quarantined", "Quarantined"),
                                    ("cancelled", "Cancelled"),
                                ],
                                default="queued",
                                max_length=12,
                            ),
                        ),
                        (
                            "priority",
                            models.PositiveSmallIntegerField(
                                choices=[(0, "Stat"), (1, "Urgent"), (2, "Routine")], default=2
                            ),
                        ),
                        ("attempt", models.PositiveSmallIntegerField(default=0)),
                        ("worker", models.CharField(blank=True, max_length=150)),
                        ("leased_until", models.DateTimeField(blank=True, null=True)),
                        ("queued_at", models.DateTimeField()),
                        ("started_at", models.DateTimeField(blank=True, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "traceparent",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="The request that queued it, for OpenTelemetry (W3C Trace Context).",
                                max_length=55,
                            ),
                        ),
                        (
                            "created_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "radiograph",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="jobs",
                                to="records.radiograph",
                            ),
                        ),
                        (
                            "study",
                            models.ForeignKey(
                                db_index=False,
                                help_text="The radiograph's, which never changes; here so that an index finds it by state.",
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="records.study",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-queued_at"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "queued")),
                                fields=["priority", "queued_at", "id"],
                                name="job_queue",
                            ),
                            models.Index(
                                condition=models.Q(("state", "running")),
                                fields=["leased_until"],
                                name="job_leases",
                            ),
                            models.Index(fields=["state", "finished_at"], name="job_state"),
                            models.Index(
                                condition=models.Q(
                                    ("state__in", ["queued", "running", "quarantined", "cancelled"])
                                ),
                                fields=["state", "study"],
                                name="job_study",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state__in", ["queued", "running"])),
                                fields=("radiograph",),
                                name="one_open_job_per_radiograph",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("attempt__gte", 1),
                                        ("leased_until__isnull", False),
                                        ("state", "running"),
                                        models.Q(("worker", ""), _negated=True),
                                    ),
                                    models.Q(
                                        models.Q(("state", "running"), _negated=True),
                                        ("leased_until", None),
                                    ),
                                    _connector="OR",
                                ),
                                name="job_lease_while_running",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("finished_at", None), ("state__in", ["queued", "running"])
                                    ),
                                    models.Q(
                                        ("finished_at__isnull", False),
                                        (
                                            "state__in",
                                            ["done", "refused", "quarantined", "cancelled"],
                                        ),
                                    ),
                                    _connector="OR",
                                ),
                                name="job_finished_when_closed",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("state__in", ["refused", "quarantined"]), _negated=True
                                    ),
                                    models.Q(("reason_code", ""), _negated=True),
                                    _connector="OR",
                                ),
                                name="job_reason_given",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("priority__in", [0, 1, 2])),
                                name="job_priority_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ModelVersion",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=uuid.uuid4,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("name", models.CharField(max_length=100)),
                        ("version", models.CharField(max_length=50, unique=True)),
                        ("package_sha256", models.CharField(max_length=64, unique=True)),
                        ("package_path", models.CharField(max_length=400)),
                        (
                            "thresholds",
                            models.JSONField(help_text="Operating points of this version."),
                        ),
                        (
                            "figures",
                            models.JSONField(help_text="What was measured of this version."),
                        ),
                        (
                            "population",
                            models.JSONField(
                                default=dict,
                                help_text="What it was made for (ages, views), and the prevalence it was calibrated on.",
                            ),
                        ),
                        (
                            "independent_figures",
                            models.JSONField(
                                default=list,
                                help_text="Figures from images that took no part in making it; see ml.serving.package.",
                            ),
                        ),
                        ("card", models.TextField(help_text="The model card, Markdown.")),
                        ("is_active", models.BooleanField(default=False)),
                        ("registered_at", models.DateTimeField(auto_now_add=True)),
                        (
                            "activated_at",
                            models.DateTimeField(
                                blank=True,
                                help_text="When it last became the active version.",
                                null=True,
                            ),
                        ),
                        (
                            "activated_by",
                            models.ForeignKey(
                                blank=True,
                                help_text="Who activated it last; null when the installation did.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-registered_at"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("is_active", True)),
                                fields=("is_active",),
                                name="one_active_model",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("package_sha256__regex", "^[0-9a-f]{64}$")),
                                name="model_sha256",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Prediction",
                    fields=[
                        ("reason_code", models.CharField(blank=True, max_length=40)),
                        ("reason_params", models.JSONField(blank=True, default=dict)),
                        (
                            "id",
                            models.UUIDField(
                                default=uuid.uuid4,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "category",
                            models.CharField(
                                choices=[
                                    ("likely", "Pneumonia likely"),
                                    ("indeterminate", "Indeterminate"),
                                    ("unlikely", "Pneumonia unlikely"),
                                    ("not_assessable", "Not assessable"),
                                    ("outside_purpose", "Outside its purpose"),
                                    ("failed", "Not analysed"),
                                ],
                                max_length=20,
                            ),
                        ),
                        (
                            "probability",
                            models.FloatField(
                                help_text="Calibrated probability of pneumonia, 0 to 1; null if not assessable.",
                                null=True,
                            ),
                        ),
                        (
                            "bacterial_probability",
                            models.FloatField(
                                help_text="Calibrated probability, 0 to 1, that a pneumonia, if it is one, is of the bacterial rather than the viral pattern; null if the version does not tell, or not assessable.",
                                null=True,
                            ),
                        ),
                        (
                            "correction",
                            models.CharField(
                                blank=True,
                                help_text="What was done to the picture before it was assessed: codes joined by '+'; the heat map lies on the picture as it came.",
                                max_length=60,
                            ),
                        ),
                        (
                            "purpose",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("within", "Within the model’s purpose"),
                                    (
                                        "unconfirmed",
                                        "Not known whether it is within the model’s purpose",
                                    ),
                                    ("outside", "Outside the model’s purpose"),
                                    ("withheld", "Outside the model’s purpose, and withheld"),
                                ],
                                help_text="Whether the version was made for such an image; '' where it has not been judged yet. Written by webportal.inference alone, and anew when birth date or study date change.",
                                max_length=12,
                            ),
                        ),
                        (
                            "purpose_reasons",
                            models.JSONField(
                                default=list,
                                help_text="Why not plainly so: pairs of a code and values, the gravest first.",
                            ),
                        ),
                        (
                            "heatmap",
                            models.BinaryField(
                                help_text="Class activation map, row by row, one byte a cell."
                            ),
                        ),
                        ("heatmap_rows", models.PositiveSmallIntegerField(default=0)),
                        ("heatmap_columns", models.PositiveSmallIntegerField(default=0)),
                        ("worker", models.CharField(max_length=150)),
                        ("device", models.CharField(max_length=100)),
                        ("is_current", models.BooleanField(default=True)),
                        ("created_at", models.DateTimeField()),
                        (
                            "rejudged_at",
                            models.DateTimeField(
                                blank=True,
                                help_text="When the purpose last became another; null if never.",
                                null=True,
                            ),
                        ),
                        (
                            "job",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="prediction",
                                to="inference.job",
                            ),
                        ),
                        (
                            "model_version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="predictions",
                                to="inference.modelversion",
                            ),
                        ),
                        (
                            "radiograph",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="predictions",
                                to="records.radiograph",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-created_at"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("rejudged_at__isnull", False)),
                                fields=["rejudged_at"],
                                name="prediction_rejudged",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("is_current", True)),
                                fields=("radiograph",),
                                name="one_current_prediction_per_radiograph",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("category", "not_assessable"),
                                        ("probability", None),
                                        models.Q(("reason_code", ""), _negated=True),
                                    ),
                                    models.Q(
                                        ("category__in", ["likely", "indeterminate", "unlikely"]),
                                        ("probability__gte", 0.0),
                                        ("probability__lte", 1.0),
                                        ("reason_code", ""),
                                    ),
                                    _connector="OR",
                                ),
                                name="prediction_complete",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("bacterial_probability", None),
                                    models.Q(
                                        ("bacterial_probability__gte", 0.0),
                                        ("bacterial_probability__lte", 1.0),
                                        models.Q(("category", "not_assessable"), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="prediction_pattern",
                            ),
                        ],
                    },
                    bases=(webportal.records.shown_result.ShownResult, models.Model),
                ),
                migrations.CreateModel(
                    name="QueuePause",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        (
                            "priority",
                            models.PositiveSmallIntegerField(
                                blank=True,
                                choices=[(0, "Stat"), (1, "Urgent"), (2, "Routine")],
                                null=True,
                            ),
                        ),
                        ("since", models.DateTimeField()),
                        (
                            "by",
                            models.ForeignKey(
                                blank=True,
                                help_text="Null where a command did.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["priority"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("priority",),
                                name="one_pause_of_a_priority",
                                nulls_distinct=False,
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("priority", None), ("priority__in", [0, 1, 2]), _connector="OR"
                                ),
                                name="pause_priority_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="QueuePeriod",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=uuid.uuid4,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "length",
                            models.CharField(
                                choices=[("hour", "Hour"), ("day", "Day")], max_length=4
                            ),
                        ),
                        ("starts_at", models.DateTimeField()),
                        ("ends_at", models.DateTimeField()),
                        ("computed_at", models.DateTimeField()),
                        ("figures", models.JSONField()),
                    ],
                    options={
                        "ordering": ["starts_at"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("length", "starts_at"), name="one_period_of_a_start"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("length__in", ["hour", "day"])),
                                name="period_length_known",
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
