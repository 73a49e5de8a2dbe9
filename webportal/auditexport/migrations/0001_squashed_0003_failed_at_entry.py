import django.db.models.deletion
import uuid
from django.db import migrations, models

from webportal.database.creation import CreateModels


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("auditexport", "0001_initial"),
        ("auditexport", "0002_set_aside"),
        ("auditexport", "0003_failed_at_entry"),
    ]

    dependencies = []

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="Target",
                    fields=[
                        (
                            "address",
                            models.CharField(max_length=300, primary_key=True, serialize=False),
                        ),
                        (
                            "position",
                            models.BigIntegerField(
                                default=0,
                                help_text="The sequence of the last entry known to have arrived.",
                            ),
                        ),
                        (
                            "moved_at",
                            models.DateTimeField(
                                auto_now_add=True,
                                help_text="When the position last changed; at first, when it was set.",
                            ),
                        ),
                        (
                            "failures",
                            models.PositiveIntegerField(
                                default=0, help_text="Failed attempts in a row."
                            ),
                        ),
                        ("next_attempt_at", models.DateTimeField(null=True)),
                        (
                            "error",
                            models.TextField(blank=True, help_text="Why the last attempt failed."),
                        ),
                        (
                            "failed_at_entry",
                            models.BooleanField(
                                db_default=False,
                                default=False,
                                help_text="Whether the server answered that attempt, and it may not take the entry.",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("position__gte", 0)),
                                name="export_position_not_negative",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SetAside",
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
                        ("sequence", models.BigIntegerField()),
                        (
                            "error",
                            models.CharField(
                                help_text="What the server said, such as HTTP 422.", max_length=100
                            ),
                        ),
                        ("since", models.DateTimeField(auto_now_add=True)),
                        (
                            "is_to_be_sent",
                            models.BooleanField(
                                default=False,
                                help_text="Whether hospital IT has asked to send it again.",
                            ),
                        ),
                        (
                            "target",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="set_aside",
                                to="auditexport.target",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ("sequence",),
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("target", "sequence"), name="one_set_aside_an_entry"
                            )
                        ],
                    },
                ),
            ],
        ),
    ]
