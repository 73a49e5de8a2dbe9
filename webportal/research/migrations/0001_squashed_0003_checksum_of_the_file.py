import django.contrib.postgres.fields
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from webportal.database.creation import CreateModels


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("research", "0001_initial"),
        ("research", "0002_images_with_text"),
        ("research", "0003_checksum_of_the_file"),
    ]

    dependencies = [
        ("accounts", "0014_departments"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("records", "0001_initial"),
    ]

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="ResearchExport",
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
                        ("requested_at", models.DateTimeField(auto_now_add=True)),
                        ("purpose", models.CharField(max_length=500)),
                        (
                            "since",
                            models.DateField(
                                blank=True, help_text="Of the examination.", null=True
                            ),
                        ),
                        ("until", models.DateField(blank=True, null=True)),
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
                        ("signed_only", models.BooleanField(default=True)),
                        (
                            "with_unstated",
                            models.BooleanField(
                                default=False,
                                help_text="Also images that do not say whether text is burnt in.",
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("waiting", "Waiting"),
                                    ("building", "Building"),
                                    ("ready", "Ready"),
                                    ("failed", "Failed"),
                                    ("removed", "Removed"),
                                ],
                                default="waiting",
                                max_length=10,
                            ),
                        ),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        (
                            "seen_at",
                            models.DateTimeField(
                                blank=True, help_text="When its process last wrote.", null=True
                            ),
                        ),
                        (
                            "done",
                            models.PositiveIntegerField(default=0, help_text="Studies so far."),
                        ),
                        ("total", models.PositiveIntegerField(default=0)),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                        ("expires_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "failure",
                            models.CharField(
                                blank=True, help_text="A code of FAILURES.", max_length=20
                            ),
                        ),
                        (
                            "removal",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("expired", "expired"),
                                    ("by_person", "by the person who requested it"),
                                    ("erasure", "because a patient was erased"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "key",
                            models.CharField(
                                blank=True, help_text="Of the file in the storage.", max_length=200
                            ),
                        ),
                        ("size", models.PositiveBigIntegerField(default=0, verbose_name="bytes")),
                        (
                            "counts",
                            models.JSONField(
                                default=dict, help_text="Patients, studies, images and reads in it."
                            ),
                        ),
                        (
                            "left_out",
                            models.JSONField(
                                default=dict, help_text="How many images, by a code of REASONS."
                            ),
                        ),
                        (
                            "with_text",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.UUIDField(),
                                db_default=[],
                                default=list,
                                help_text="The images left out for text in their pixels.",
                                size=None,
                            ),
                        ),
                        (
                            "sha256",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="Of the file.",
                                max_length=64,
                            ),
                        ),
                        (
                            "department",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="accounts.department",
                            ),
                        ),
                        (
                            "requested_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="research_exports",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-requested_at", "id"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("purpose", ""), _negated=True),
                                name="research_export_has_purpose",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "state__in",
                                        ["waiting", "building", "ready", "failed", "removed"],
                                    )
                                ),
                                name="research_export_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("state", "ready"), models.Q(("key", ""), _negated=True)
                                    ),
                                    models.Q(
                                        models.Q(("state", "ready"), _negated=True), ("key", "")
                                    ),
                                    _connector="OR",
                                ),
                                name="research_export_file_when_ready",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ExportedStudy",
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
                            "study",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="research_exports",
                                to="records.study",
                            ),
                        ),
                        (
                            "export",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="studies",
                                to="research.researchexport",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "exported studies",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("export", "study"), name="study_once_per_export"
                            )
                        ],
                    },
                ),
            ],
        ),
    ]
