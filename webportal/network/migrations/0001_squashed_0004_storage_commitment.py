import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from webportal.database.creation import CreateModels


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("network", "0001_initial"),
        ("network", "0002_departments"),
        ("network", "0003_files_without_a_record"),
        ("network", "0004_storage_commitment"),
        ("network", "0005_worklists"),
        ("network", "0006_priors"),
        ("network", "0007_node_tls"),
        ("network", "0008_storage_requests"),
    ]

    dependencies = [
        ("accounts", "0015_general_department"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("intake", "0003_reasons_as_codes"),
        ("orders", "0001_orders"),
        ("records", "0001_initial"),
    ]

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="Node",
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
                            "ae_title",
                            models.CharField(max_length=16, unique=True, verbose_name="AE title"),
                        ),
                        (
                            "description",
                            models.CharField(
                                blank=True, max_length=100, verbose_name="description"
                            ),
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
                            "certificate_name",
                            models.CharField(
                                blank=True,
                                help_text="Empty if its certificate is for the address.",
                                max_length=253,
                                verbose_name="name in its certificate",
                            ),
                        ),
                        (
                            "uses_tls",
                            models.BooleanField(
                                default=False,
                                help_text="When Chestline calls the device.",
                                verbose_name="encrypted by TLS",
                            ),
                        ),
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
                        (
                            "order_source",
                            models.OneToOneField(
                                blank=True,
                                help_text="The orders that its worklist told of, if it is or was asked for any.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="node",
                                to="orders.ordersource",
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
                                default=uuid.uuid4,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "address",
                            models.GenericIPAddressField(help_text="From where it asked last."),
                        ),
                        (
                            "transaction_uid",
                            models.CharField(max_length=64, verbose_name="Transaction UID"),
                        ),
                        (
                            "instances",
                            models.JSONField(
                                help_text="SOP Class UID and SOP Instance UID of each."
                            ),
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
                                help_text="How many instances were last reported as not stored.",
                                null=True,
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
                                fields=("node", "transaction_uid"),
                                name="commitment_once_a_transaction",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state__in", ["waiting", "reported", "given_up"])
                                ),
                                name="commitment_state_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PriorRequest",
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
                                    ("waiting", "Waiting"),
                                    ("done", "Done"),
                                    ("given_up", "Given up"),
                                ],
                                default="waiting",
                                max_length=10,
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
                                related_name="prior_requests",
                                to="network.node",
                            ),
                        ),
                        (
                            "study",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="prior_requests",
                                to="records.study",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-requested_at", "id"],
                        "indexes": [
                            models.Index(
                                fields=["-requested_at", "id"], name="prior_request_newest"
                            ),
                            models.Index(
                                condition=models.Q(("state", "waiting")),
                                fields=["next_attempt_at"],
                                name="prior_request_waiting",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("node", "study"), name="prior_request_once_a_study"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["waiting", "done", "given_up"])),
                                name="prior_request_state_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PriorSource",
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
                            "is_active",
                            models.BooleanField(
                                default=False, verbose_name="Fetch prior studies from this device"
                            ),
                        ),
                        (
                            "protocol",
                            models.CharField(
                                choices=[("get", "C-GET"), ("move", "C-MOVE to this receiver")],
                                default="get",
                                max_length=4,
                                verbose_name="Fetch by",
                            ),
                        ),
                        (
                            "issuer",
                            models.CharField(
                                blank=True,
                                help_text="As in its images; empty if they name none.",
                                max_length=64,
                                verbose_name="Issuer of its Patient IDs",
                            ),
                        ),
                        (
                            "most_studies",
                            models.PositiveSmallIntegerField(
                                default=3,
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(20),
                                ],
                                verbose_name="Studies at most",
                            ),
                        ),
                        (
                            "years",
                            models.PositiveSmallIntegerField(
                                default=5,
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(50),
                                ],
                                verbose_name="Years back",
                            ),
                        ),
                        (
                            "active_since",
                            models.DateTimeField(
                                blank=True,
                                help_text="Nothing is fetched for studies that came before.",
                                null=True,
                            ),
                        ),
                        (
                            "node",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="prior_source",
                                to="network.node",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("protocol__in", ["get", "move"])),
                                name="prior_source_protocol",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("is_active", False),
                                    ("active_since__isnull", False),
                                    _connector="OR",
                                ),
                                name="prior_source_active_since",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PriorStudy",
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
                            "study_instance_uid",
                            models.CharField(max_length=64, verbose_name="Study Instance UID"),
                        ),
                        ("performed_on", models.DateField()),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("wanted", "To be fetched"),
                                    ("fetched", "Fetched"),
                                    ("present", "Here already"),
                                    ("refused", "Not fetched"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "request",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="found",
                                to="network.priorrequest",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "prior studies",
                        "ordering": ["-performed_on", "id"],
                        "indexes": [
                            models.Index(fields=["study_instance_uid"], name="prior_study_uid")
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("request", "study_instance_uid"),
                                name="prior_study_once_a_request",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state__in", ["wanted", "fetched", "present", "refused"])
                                ),
                                name="prior_study_state_known",
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
                                default=uuid.uuid4,
                                editable=False,
                                primary_key=True,
                                serialize=False,
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
                            models.CharField(
                                blank=True, max_length=64, verbose_name="Study Instance UID"
                            ),
                        ),
                        (
                            "sop_instance_uid",
                            models.CharField(
                                blank=True, max_length=64, verbose_name="SOP Instance UID"
                            ),
                        ),
                        (
                            "sop_class_uid",
                            models.CharField(
                                blank=True, max_length=64, verbose_name="SOP Class UID"
                            ),
                        ),
                        (
                            "transfer_syntax_uid",
                            models.CharField(
                                blank=True, max_length=64, verbose_name="Transfer Syntax UID"
                            ),
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
                                default=0,
                                help_text="How often taking it in was begun and not ended.",
                            ),
                        ),
                        ("times_received", models.PositiveIntegerField(default=1)),
                        ("first_received_at", models.DateTimeField()),
                        ("received_at", models.DateTimeField(help_text="The last time.")),
                        ("settled_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "is_prior",
                            models.BooleanField(
                                default=False,
                                help_text="Whether it was only fetched, to be compared with.",
                            ),
                        ),
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
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
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
                migrations.CreateModel(
                    name="StorageRequest",
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
                        ("ae_title", models.CharField(max_length=16)),
                        (
                            "address",
                            models.GenericIPAddressField(
                                help_text="Where it was asked, and may report from."
                            ),
                        ),
                        (
                            "transaction_uid",
                            models.CharField(
                                max_length=64, unique=True, verbose_name="Transaction UID"
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[("waiting", "Waiting"), ("reported", "Reported")],
                                default="waiting",
                                max_length=10,
                            ),
                        ),
                        (
                            "committed",
                            models.JSONField(default=list, help_text="SOP Instance UIDs."),
                        ),
                        (
                            "failed",
                            models.JSONField(
                                default=dict, help_text="Failure Reason by SOP Instance UID."
                            ),
                        ),
                        ("asked_at", models.DateTimeField()),
                        ("reported_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["-asked_at", "id"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "waiting")),
                                fields=["ae_title"],
                                name="storage_request_waiting",
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("reported_at", None), ("state", "waiting")),
                                    models.Q(("reported_at__isnull", False), ("state", "reported")),
                                    _connector="OR",
                                ),
                                name="storage_request_reported",
                            )
                        ],
                    },
                ),
            ],
        ),
    ]
