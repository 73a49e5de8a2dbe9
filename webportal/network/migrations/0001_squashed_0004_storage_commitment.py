import django.contrib.postgres.fields
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("network", "0001_initial"),
        ("network", "0002_departments"),
        ("network", "0003_files_without_a_record"),
        ("network", "0004_storage_commitment"),
    ]

    dependencies = [
        ("accounts", "0015_general_department"),
        ("intake", "0003_reasons_as_codes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Node",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("ae_title", models.CharField(max_length=16, unique=True, verbose_name="AE title")),
                (
                    "description",
                    models.CharField(blank=True, max_length=100, verbose_name="description"),
                ),
                (
                    "addresses",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=50),
                        help_text="IP addresses and networks from which it calls.",
                        size=None,
                    ),
                ),
                (
                    "port",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="On which it listens, if it does.",
                        null=True,
                        verbose_name="port",
                    ),
                ),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="node",
                        to=settings.AUTH_USER_MODEL,
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
                    "department",
                    models.ForeignKey(
                        help_text="New studies from this device belong to it.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="nodes",
                        to="accounts.department",
                        verbose_name="department",
                    ),
                ),
            ],
            options={
                "ordering": ["ae_title"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("ae_title", ""), _negated=True),
                        name="node_has_ae_title",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("addresses", []), _negated=True),
                        name="node_has_address",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("port", None),
                            models.Q(("port__gte", 1), ("port__lte", 65535)),
                            _connector="OR",
                        ),
                        name="node_port",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Commitment",
            fields=[
                ("reason_code", models.CharField(blank=True, max_length=40)),
                ("reason_params", models.JSONField(blank=True, default=dict)),
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("address", models.GenericIPAddressField(help_text="From where it asked last.")),
                (
                    "transaction_uid",
                    models.CharField(max_length=64, verbose_name="Transaction UID"),
                ),
                (
                    "instances",
                    models.JSONField(help_text="SOP Class UID and SOP Instance UID of each."),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("reported", "Reported"),
                            ("given_up", "Given up"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "failed",
                    models.PositiveIntegerField(
                        help_text="How many instances were last reported as not stored.", null=True
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("requested_at", models.DateTimeField()),
                ("next_attempt_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="commitments",
                        to="network.node",
                    ),
                ),
            ],
            options={
                "ordering": ["-requested_at", "id"],
                "indexes": [
                    models.Index(fields=["-requested_at", "id"], name="commitment_newest"),
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["next_attempt_at"],
                        name="commitment_waiting",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("node", "transaction_uid"), name="commitment_once_a_transaction"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["waiting", "reported", "given_up"])),
                        name="commitment_state_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ReceivedInstance",
            fields=[
                ("reason_code", models.CharField(blank=True, max_length=40)),
                ("reason_params", models.JSONField(blank=True, default=dict)),
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "address",
                    models.GenericIPAddressField(
                        blank=True,
                        help_text="From where it came last; empty where nobody knows.",
                        null=True,
                    ),
                ),
                (
                    "study_instance_uid",
                    models.CharField(blank=True, max_length=64, verbose_name="Study Instance UID"),
                ),
                (
                    "sop_instance_uid",
                    models.CharField(blank=True, max_length=64, verbose_name="SOP Instance UID"),
                ),
                (
                    "sop_class_uid",
                    models.CharField(blank=True, max_length=64, verbose_name="SOP Class UID"),
                ),
                (
                    "transfer_syntax_uid",
                    models.CharField(blank=True, max_length=64, verbose_name="Transfer Syntax UID"),
                ),
                ("sha256", models.CharField(max_length=64, unique=True)),
                ("size", models.PositiveBigIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("found", "Sender unknown"),
                            ("waiting", "Waiting"),
                            ("taken", "Imported"),
                            ("held", "Held: awaiting a decision"),
                            ("refused", "Refused"),
                            ("set_aside", "Kept, not an image"),
                            ("discarded", "Discarded"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "has_file",
                    models.BooleanField(
                        default=True, help_text="Whether the inbox keeps its file."
                    ),
                ),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="How often taking it in was begun and not ended."
                    ),
                ),
                ("times_received", models.PositiveIntegerField(default=1)),
                ("first_received_at", models.DateTimeField()),
                ("received_at", models.DateTimeField(help_text="The last time.")),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="intake.uploadbatch",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="intake.uploaditem",
                    ),
                ),
                (
                    "node",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty only where the inbox had the file without a record.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="received",
                        to="network.node",
                    ),
                ),
            ],
            options={
                "ordering": ["-received_at", "id"],
                "indexes": [
                    models.Index(fields=["-received_at", "id"], name="received_newest"),
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["node", "study_instance_uid"],
                        name="received_waiting",
                    ),
                    models.Index(fields=["sop_instance_uid"], name="received_instance"),
                    models.Index(
                        condition=models.Q(("has_file", True)),
                        fields=["settled_at"],
                        name="received_files",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("sha256__regex", "^[0-9a-f]{64}$")),
                        name="received_hash",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "found",
                                    "waiting",
                                    "taken",
                                    "held",
                                    "refused",
                                    "set_aside",
                                    "discarded",
                                ],
                            )
                        ),
                        name="received_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "refused"), _negated=True),
                            models.Q(("reason_code", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="received_refused_why",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("node__isnull", False),
                            ("state__in", ["found", "discarded"]),
                            _connector="OR",
                        ),
                        name="received_from_a_node",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RejectedCaller",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("calling_ae_title", models.CharField(max_length=16)),
                ("called_ae_title", models.CharField(max_length=16)),
                ("address", models.GenericIPAddressField()),
                ("reason", models.CharField(max_length=20)),
                ("times", models.PositiveIntegerField(default=1)),
                ("at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-at"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("calling_ae_title", "called_ae_title", "address", "reason"),
                        name="one_row_a_rejected_caller",
                    )
                ],
            },
        ),
    ]
