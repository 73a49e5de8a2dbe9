import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from webportal.database.creation import CreateModels


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("erasure", "0001_initial"),
        ("erasure", "0002_unreadable_files"),
    ]

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="Erasure",
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
                            "patient",
                            models.UUIDField(
                                blank=True,
                                help_text="Of whom everything goes; empty for studies that are due.",
                                null=True,
                            ),
                        ),
                        (
                            "studies",
                            models.JSONField(
                                default=list,
                                help_text="The ids of the studies that are due; those done are taken out.",
                            ),
                        ),
                        ("reason", models.CharField(max_length=200)),
                        ("reference", models.CharField(blank=True, max_length=100)),
                        (
                            "digest",
                            models.CharField(
                                blank=True,
                                help_text="Of the list that was confirmed; see `plan`.",
                                max_length=64,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("requested", "to be confirmed"),
                                    ("confirmed", "confirmed"),
                                    ("done", "done"),
                                    ("declined", "declined"),
                                ],
                                default="requested",
                                max_length=10,
                            ),
                        ),
                        ("requested_at", models.DateTimeField()),
                        ("decided_at", models.DateTimeField(blank=True, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "waits_for",
                            models.CharField(
                                blank=True,
                                help_text="The code of what keeps it from going on.",
                                max_length=20,
                            ),
                        ),
                        (
                            "files",
                            models.JSONField(
                                default=list, help_text="The files that are still to be removed."
                            ),
                        ),
                        (
                            "counts",
                            models.JSONField(
                                default=dict, help_text="How much of each kind was erased."
                            ),
                        ),
                        (
                            "hashes",
                            models.JSONField(default=list, help_text="The SHA-256 of each file."),
                        ),
                        (
                            "entries",
                            models.JSONField(
                                default=list, help_text="The entries of the trail that say so."
                            ),
                        ),
                        (
                            "skipped",
                            models.JSONField(
                                default=list,
                                help_text="Studies that were not erased: pairs of an id and a code.",
                            ),
                        ),
                        (
                            "gone",
                            models.JSONField(
                                default=dict, help_text="The ids of what went, to erase it again."
                            ),
                        ),
                        (
                            "unreadable",
                            models.PositiveIntegerField(
                                default=0,
                                help_text="How many files stay because nobody can tell whose they are.",
                            ),
                        ),
                        (
                            "decided_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "requested_by",
                            models.ForeignKey(
                                blank=True,
                                help_text="Nobody where a restored backup was erased again.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-requested_at", "id"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state__in", ["requested", "confirmed", "done", "declined"])
                                ),
                                name="erasure_state_known",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("state__in", ["requested", "confirmed"])),
                                fields=("patient",),
                                name="one_open_erasure_of_a_patient",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("decided_at", None), ("state", "requested")),
                                    models.Q(
                                        models.Q(("state", "requested"), _negated=True),
                                        ("decided_at__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="erasure_decided_when",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("files", []),
                                        ("finished_at__isnull", False),
                                        ("state", "done"),
                                    ),
                                    models.Q(
                                        models.Q(("state", "done"), _negated=True),
                                        ("finished_at", None),
                                    ),
                                    _connector="OR",
                                ),
                                name="erasure_done_when",
                            ),
                        ],
                    },
                )
            ],
        ),
    ]
