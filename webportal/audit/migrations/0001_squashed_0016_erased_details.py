import uuid
import webportal.audit.models
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from webportal.audit.migrations import _key, _triggers
from webportal.database.creation import CreateModels


def create_heads(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Start the chain, with no anchor signed yet."""
    apps.get_model("audit", "ChainHead").objects.create(pk=1)
    apps.get_model("audit", "AnchorState").objects.create(pk=1)


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("audit", "0001_initial"),
        ("audit", "0002_append_only"),
        ("audit", "0003_find_by_actor_and_time"),
        ("audit", "0004_head_only_grows"),
        ("audit", "0005_reading_actions"),
        ("audit", "0006_intake_and_notification_actions"),
        ("audit", "0007_image_fetched"),
        ("audit", "0008_correction_actions"),
        ("audit", "0009_amended_and_taken_back"),
        ("audit", "0010_report_opened"),
        ("audit", "0011_locked_sessions"),
        ("audit", "0012_signed_anchors"),
        ("audit", "0013_choices_by_name"),
        ("audit", "0014_verifications"),
        ("audit", "0015_origin"),
        ("audit", "0016_erased_details"),
        ("audit", "0017_named_key"),
        ("audit", "0018_total_of_a_verification"),
    ]

    dependencies = []

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="AnchorState",
                    fields=[
                        (
                            "id",
                            models.PositiveSmallIntegerField(
                                default=1, primary_key=True, serialize=False
                            ),
                        ),
                        ("number", models.BigIntegerField(default=0)),
                        ("signature", models.CharField(blank=True, max_length=32)),
                        ("seal", models.CharField(blank=True, max_length=32)),
                        ("at", models.DateTimeField(null=True)),
                        (
                            "unwritten",
                            models.CharField(
                                blank=True,
                                help_text="The settings of places that could not be written.",
                                max_length=200,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("id", 1)), name="one_anchor_state"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AuditEntry",
                    fields=[
                        ("sequence", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("at", models.DateTimeField()),
                        ("actor_id", models.UUIDField(null=True)),
                        ("actor", models.CharField(max_length=150)),
                        (
                            "action",
                            models.CharField(choices=webportal.audit.models.actions, max_length=40),
                        ),
                        ("object_type", models.CharField(blank=True, max_length=40)),
                        ("object_id", models.CharField(blank=True, max_length=64)),
                        ("study_id", models.UUIDField(null=True)),
                        ("detail", models.JSONField(default=dict)),
                        (
                            "origin",
                            models.JSONField(
                                help_text="Address, device, session and token of the request; empty outside of one.",
                                null=True,
                            ),
                        ),
                        ("previous_mac", models.CharField(max_length=64)),
                        ("mac", models.CharField(max_length=64, unique=True)),
                    ],
                    options={
                        "verbose_name_plural": "audit entries",
                        "ordering": ["-sequence"],
                        "indexes": [
                            models.Index(fields=["study_id", "sequence"], name="audit_study"),
                            models.Index(fields=["actor", "sequence"], name="audit_actor_name"),
                            models.Index(fields=["at"], name="audit_at"),
                            models.Index(fields=["action", "sequence"], name="audit_action"),
                            models.Index(fields=["object_id", "sequence"], name="audit_object"),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("sequence__gte", 1)),
                                name="audit_sequence_positive",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ChainHead",
                    fields=[
                        (
                            "id",
                            models.PositiveSmallIntegerField(
                                default=1, primary_key=True, serialize=False
                            ),
                        ),
                        ("sequence", models.BigIntegerField(default=0)),
                        (
                            "mac",
                            models.CharField(
                                default="0000000000000000000000000000000000000000000000000000000000000000",
                                max_length=64,
                            ),
                        ),
                        (
                            "key_id",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="The key that the chain goes on with; empty before an entry of this release.",
                                max_length=16,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("id", 1)), name="one_chain_head"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Verification",
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
                        ("requested_at", models.DateTimeField()),
                        ("requested_by_id", models.UUIDField(null=True)),
                        ("requested_by", models.CharField(max_length=150)),
                        ("started_at", models.DateTimeField(null=True)),
                        (
                            "seen_at",
                            models.DateTimeField(
                                help_text="When it last said how far it had come.", null=True
                            ),
                        ),
                        ("finished_at", models.DateTimeField(null=True)),
                        (
                            "done",
                            models.BigIntegerField(
                                default=0, help_text="Entries, then records, so far."
                            ),
                        ),
                        (
                            "total",
                            models.BigIntegerField(
                                default=0, help_text="Entries and records in all."
                            ),
                        ),
                        ("entries", models.BigIntegerField(default=0)),
                        ("anchors", models.BigIntegerField(default=0)),
                        ("findings", models.JSONField(default=list)),
                        ("remarks", models.JSONField(default=list)),
                    ],
                    options={
                        "ordering": ["-requested_at"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("finished_at", None)),
                                fields=("finished_at",),
                                name="one_open_verification",
                                nulls_distinct=False,
                            )
                        ],
                    },
                ),
            ],
        ),
        migrations.RunPython(create_heads, migrations.RunPython.noop),
        migrations.RunSQL(_triggers.CREATE, _triggers.DROP),
        migrations.RunSQL(_key.CREATE, _key.DROP),
    ]
