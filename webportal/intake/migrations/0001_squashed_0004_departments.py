import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from webportal.database.creation import CreateModels


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("intake", "0001_initial"),
        ("intake", "0002_held_to_be_decided"),
        ("intake", "0003_reasons_as_codes"),
        ("intake", "0004_departments"),
        ("intake", "0005_priors"),
    ]

    dependencies = [
        ("accounts", "0015_general_department"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("records", "0001_initial"),
    ]

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="UploadBatch",
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
                        ("name", models.CharField(blank=True, max_length=100)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        (
                            "priority",
                            models.PositiveSmallIntegerField(
                                choices=[(0, "Stat"), (1, "Urgent"), (2, "Routine")], default=2
                            ),
                        ),
                        (
                            "identity_mode",
                            models.CharField(
                                choices=[
                                    (
                                        "temporary",
                                        "A temporary patient for each file, to be completed later",
                                    ),
                                    ("form", "One patient for all files, from the form"),
                                    ("sheet", "A CSV sheet with one line for each file"),
                                ],
                                default="temporary",
                                max_length=10,
                            ),
                        ),
                        (
                            "case_records",
                            models.JSONField(
                                default=dict,
                                help_text="Checked case records: under '' the one of the form, else one per file name.",
                            ),
                        ),
                        (
                            "expected_files",
                            models.PositiveIntegerField(
                                default=0,
                                help_text="How many files the sender announced; 0 when not known.",
                            ),
                        ),
                        (
                            "is_prior",
                            models.BooleanField(
                                default=False,
                                help_text="Whether it brings earlier studies for comparison, which nobody is to read.",
                            ),
                        ),
                        (
                            "created_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="upload_batches",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "department",
                            models.ForeignKey(
                                help_text="Of the studies that are created from its files.",
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="upload_batches",
                                to="accounts.department",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "upload batches",
                        "ordering": ["-created_at"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("priority__in", [0, 1, 2])),
                                name="batch_priority_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("identity_mode__in", ["temporary", "form", "sheet"])
                                ),
                                name="batch_mode_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="UploadItem",
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
                        ("file_name", models.CharField(max_length=400)),
                        ("sha256", models.CharField(max_length=64)),
                        ("size", models.PositiveBigIntegerField()),
                        (
                            "verdict",
                            models.CharField(
                                choices=[
                                    ("accepted", "Accepted"),
                                    ("duplicate", "Already stored"),
                                    ("held", "Held: awaiting a decision"),
                                    ("refused", "Refused"),
                                    ("discarded", "Discarded after review"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "held_key",
                            models.CharField(
                                blank=True,
                                help_text="Where the bytes of a held file wait.",
                                max_length=200,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        (
                            "batch",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="items",
                                to="intake.uploadbatch",
                            ),
                        ),
                        (
                            "radiograph",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="upload_items",
                                to="records.radiograph",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["created_at", "id"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("verdict", "held")),
                                fields=["verdict"],
                                name="item_held",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("batch", "file_name", "sha256"), name="item_once_per_batch"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("radiograph__isnull", False),
                                        ("verdict__in", ["accepted", "duplicate"]),
                                    ),
                                    models.Q(
                                        ("radiograph", None),
                                        ("verdict", "held"),
                                        models.Q(("held_key", ""), _negated=True),
                                        models.Q(("reason_code", ""), _negated=True),
                                    ),
                                    models.Q(
                                        ("radiograph", None),
                                        ("verdict__in", ["refused", "discarded"]),
                                        models.Q(("reason_code", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="item_verdict_complete",
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
