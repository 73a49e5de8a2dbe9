import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from webportal.database.creation import CreateModels


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("oversight", "0001_shadow"),
        ("oversight", "0002_drift"),
        ("oversight", "0003_shadow_failing"),
    ]

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("inference", "0001_initial"),
        ("records", "0001_initial"),
    ]

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="Shadow",
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
                            "share",
                            models.PositiveSmallIntegerField(
                                help_text="Of how many studies in a hundred."
                            ),
                        ),
                        ("started_at", models.DateTimeField()),
                        ("ends_at", models.DateTimeField()),
                        (
                            "planned_until",
                            models.DateTimeField(
                                help_text="Results up to then have been looked at."
                            ),
                        ),
                        (
                            "lost_batches",
                            models.PositiveSmallIntegerField(
                                default=0,
                                help_text="How often a worker died while it ran the version.",
                            ),
                        ),
                        (
                            "cannot_load",
                            models.CharField(
                                blank=True,
                                help_text="The worker that last failed to load the version.",
                                max_length=150,
                            ),
                        ),
                        ("ended_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "end",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("stopped", "stopped by hospital IT"),
                                    ("over", "its time was over"),
                                    ("activated", "another version was activated"),
                                    ("workers_lost", "workers died while they ran it"),
                                ],
                                max_length=12,
                            ),
                        ),
                        (
                            "failing",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="The worker whose work on it last ended in errors, again and again.",
                                max_length=150,
                            ),
                        ),
                        (
                            "beside",
                            models.ForeignKey(
                                help_text="The active version, with whose results it is compared.",
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="inference.modelversion",
                            ),
                        ),
                        (
                            "ended_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "model_version",
                            models.ForeignKey(
                                help_text="The one on trial.",
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="inference.modelversion",
                            ),
                        ),
                        (
                            "started_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-started_at"],
                        "constraints": [
                            models.UniqueConstraint(
                                models.Value(1),
                                condition=models.Q(("ended_at", None)),
                                name="one_shadow_at_a_time",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("share__gte", 1), ("share__lte", 100)),
                                name="shadow_share",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("model_version", models.F("beside")), _negated=True
                                ),
                                name="shadow_beside_another",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("end", ""), ("ended_at", None)),
                                    models.Q(
                                        ("ended_at__isnull", False),
                                        models.Q(("end", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="shadow_end_given",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ShadowResult",
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
                            "state",
                            models.CharField(
                                choices=[
                                    ("waiting", "Waiting"),
                                    ("running", "Running"),
                                    ("done", "Done"),
                                    ("failed", "Failed"),
                                ],
                                default="waiting",
                                max_length=8,
                            ),
                        ),
                        ("worker", models.CharField(blank=True, max_length=150)),
                        ("leased_until", models.DateTimeField(blank=True, null=True)),
                        (
                            "category",
                            models.CharField(
                                blank=True,
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
                            models.FloatField(help_text="Calibrated, 0 to 1.", null=True),
                        ),
                        (
                            "reason_code",
                            models.CharField(
                                blank=True,
                                help_text="Why it is not assessable, or failed.",
                                max_length=40,
                            ),
                        ),
                        (
                            "prediction",
                            models.ForeignKey(
                                help_text="Of the active version.",
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="inference.prediction",
                            ),
                        ),
                        (
                            "radiograph",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="records.radiograph",
                            ),
                        ),
                        (
                            "shadow",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="results",
                                to="oversight.shadow",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["id"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "waiting")),
                                fields=["shadow", "id"],
                                name="shadow_waiting",
                            ),
                            models.Index(
                                condition=models.Q(("state", "running")),
                                fields=["leased_until"],
                                name="shadow_running",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("shadow", "radiograph"), name="one_shadow_result_per_image"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
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
                                name="shadow_lease_while_running",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("category", ""),
                                        ("probability", None),
                                        ("state__in", ["waiting", "running"]),
                                    ),
                                    models.Q(
                                        ("category", ""),
                                        ("probability", None),
                                        ("state", "failed"),
                                        models.Q(("reason_code", ""), _negated=True),
                                    ),
                                    models.Q(
                                        ("category", "not_assessable"),
                                        ("probability", None),
                                        ("state", "done"),
                                        models.Q(("reason_code", ""), _negated=True),
                                    ),
                                    models.Q(
                                        ("category__in", ["likely", "indeterminate", "unlikely"]),
                                        ("probability__gte", 0.0),
                                        ("probability__lte", 1.0),
                                        ("reason_code", ""),
                                        ("state", "done"),
                                    ),
                                    _connector="OR",
                                ),
                                name="shadow_result_complete",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="DriftWeek",
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
                        ("starts_on", models.DateField(help_text="A Monday, local time.")),
                        ("computed_at", models.DateTimeField()),
                        (
                            "scored",
                            models.PositiveIntegerField(
                                help_text="Images with a score that counts."
                            ),
                        ),
                        (
                            "is_reference",
                            models.BooleanField(
                                help_text="Whether later weeks are compared with it."
                            ),
                        ),
                        (
                            "reference_scored",
                            models.PositiveIntegerField(
                                default=0,
                                help_text="Images with a score in the reference that it was compared with.",
                            ),
                        ),
                        (
                            "psi",
                            models.FloatField(
                                help_text="Population stability index of the scores; null if too few.",
                                null=True,
                            ),
                        ),
                        (
                            "ks",
                            models.FloatField(
                                help_text="Kolmogorov-Smirnov distance of the scores; null if too few.",
                                null=True,
                            ),
                        ),
                        ("figures", models.JSONField()),
                        (
                            "model_version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="inference.modelversion",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["starts_on"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("model_version", "starts_on"),
                                name="one_drift_week_of_a_version",
                            )
                        ],
                    },
                ),
            ],
        ),
    ]
