import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from webportal.database.creation import CreateModels


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("upkeep", "0001_initial"),
        ("upkeep", "0002_check_of_the_storage"),
    ]

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="StorageCheck",
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
                        ("started_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                        ("last_step_at", models.DateTimeField()),
                        (
                            "position",
                            models.CharField(
                                blank=True,
                                help_text="The last image, or held file, that was checked.",
                                max_length=50,
                            ),
                        ),
                        (
                            "images",
                            models.PositiveIntegerField(
                                help_text="How many there were at the start, those of held files included."
                            ),
                        ),
                        ("checked_images", models.PositiveIntegerField(default=0)),
                        ("checked_bytes", models.PositiveBigIntegerField(default=0)),
                        ("faults", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "ordering": ["-started_at"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("finished_at", None)),
                                fields=("finished_at",),
                                name="one_open_check",
                                nulls_distinct=False,
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="RemovalPause",
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
                            "reason",
                            models.CharField(
                                choices=[
                                    ("older_database", "Older Database"),
                                    ("too_many", "Too Many"),
                                ],
                                max_length=20,
                            ),
                        ),
                        (
                            "files",
                            models.PositiveIntegerField(
                                default=0,
                                help_text="How many files would have gone; 0 where nobody has counted.",
                            ),
                        ),
                        ("since", models.DateTimeField()),
                        ("ended_at", models.DateTimeField(blank=True, null=True)),
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
                    ],
                    options={
                        "ordering": ["since"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("reason__in", ["older_database", "too_many"])),
                                name="pause_reason_known",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("ended_at", None)),
                                fields=("reason",),
                                name="one_open_pause_of_a_reason",
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
