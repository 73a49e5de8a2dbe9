import django.contrib.postgres.fields
import django.db.models.deletion
import uuid
import webportal.database.clock
from django.conf import settings
from django.db import migrations, models

from webportal.database.creation import CreateModels


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("delivery", "0001_initial"),
        ("delivery", "0002_captures_and_dicomweb"),
        ("delivery", "0003_hl7"),
        ("delivery", "0004_refusals"),
        ("delivery", "0005_fhir"),
        ("delivery", "0006_database_clock"),
        ("delivery", "0007_withdrawals"),
        ("delivery", "0008_confirmations"),
        ("delivery", "0009_find_confirmations"),
        ("delivery", "0010_retractions"),
        ("delivery", "0011_certificate_name"),
        ("delivery", "0012_presentation_states"),
        ("delivery", "0013_validate_sends"),
    ]

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("inference", "0008_reasons_as_codes"),
        ("network", "0008_storage_requests"),
        ("records", "0014_series"),
        ("review", "0014_measurements"),
    ]

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="Destination",
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
                        ("name", models.CharField(max_length=60, verbose_name="name")),
                        (
                            "protocol",
                            models.CharField(
                                choices=[
                                    ("dicom", "DICOM (C-STORE)"),
                                    ("dicomweb", "DICOMweb (STOW-RS)"),
                                    ("hl7", "HL7 v2 (MLLP)"),
                                    ("fhir", "FHIR R4"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "ae_title",
                            models.CharField(blank=True, max_length=16, verbose_name="AE title"),
                        ),
                        ("host", models.CharField(blank=True, max_length=253, verbose_name="host")),
                        (
                            "port",
                            models.PositiveIntegerField(blank=True, null=True, verbose_name="port"),
                        ),
                        ("url", models.CharField(blank=True, max_length=500, verbose_name="URL")),
                        (
                            "secret",
                            models.TextField(blank=True, help_text="Bearer token, encrypted."),
                        ),
                        (
                            "uses_tls",
                            models.BooleanField(default=False, verbose_name="encrypted by TLS"),
                        ),
                        (
                            "sends",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(
                                    choices=[
                                        ("reads", "Signed reads"),
                                        ("results", "Model results"),
                                        ("captures", "Heat maps, as images"),
                                        (
                                            "gsps",
                                            "Marks and measurements, as presentation states (GSPS)",
                                        ),
                                    ],
                                    max_length=10,
                                ),
                                size=None,
                            ),
                        ),
                        (
                            "results_when",
                            models.CharField(
                                choices=[
                                    ("closed", "Once the study is read and signed"),
                                    (
                                        "at_once",
                                        "At once, unless second readers read without the model",
                                    ),
                                ],
                                default="closed",
                                max_length=10,
                            ),
                        ),
                        ("is_paused", models.BooleanField(default=False)),
                        ("removed_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "looked_until",
                            models.DateTimeField(
                                help_text="What was signed or computed before has been looked at; see `planning`."
                            ),
                        ),
                        (
                            "failures",
                            models.PositiveIntegerField(
                                default=0, help_text="How often in a row it could not be reached."
                            ),
                        ),
                        ("retry_at", models.DateTimeField(blank=True, null=True)),
                        ("away_since", models.DateTimeField(blank=True, null=True)),
                        (
                            "created_at",
                            models.DateTimeField(default=webportal.database.clock.clock),
                        ),
                        (
                            "confirms",
                            models.BooleanField(
                                db_default=False,
                                default=False,
                                help_text="Asked by storage commitment, or looked for by QIDO-RS.",
                                verbose_name="confirms what it has stored",
                            ),
                        ),
                        (
                            "certificate_name",
                            models.CharField(
                                blank=True,
                                db_default="",
                                help_text="Empty if its certificate is for the address.",
                                max_length=253,
                                verbose_name="name in its certificate",
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
                    ],
                    options={
                        "ordering": ["name"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("removed_at", None)),
                                fields=("name",),
                                name="one_destination_of_a_name",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("port", None),
                                    models.Q(("port__gte", 1), ("port__lte", 65535)),
                                    _connector="OR",
                                ),
                                name="destination_port",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("protocol__in", ["dicom", "dicomweb", "hl7", "fhir"])
                                ),
                                name="destination_protocol",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("sends", []), _negated=True),
                                    (
                                        "sends__contained_by",
                                        ["reads", "results", "captures", "gsps"],
                                    ),
                                ),
                                name="destination_sends",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Document",
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
                            "kind",
                            models.CharField(
                                choices=[
                                    ("report", "Read"),
                                    ("report_hl7", "Read (HL7)"),
                                    ("report_fhir", "Read (FHIR)"),
                                    ("report_marks", "Marks of a read"),
                                    ("presentation", "Presentation state of a read"),
                                    ("result", "Model result"),
                                    ("result_region", "Region of the heat map"),
                                    ("result_fhir", "Model results (FHIR)"),
                                    ("early_fhir", "Preliminary report (FHIR)"),
                                    ("capture", "Heat map"),
                                    ("withdrawn", "Withdrawal of a result"),
                                    ("withdrawn_fhir", "Withdrawal of a result (FHIR)"),
                                    ("no_early_fhir", "Withdrawal of a preliminary report (FHIR)"),
                                    ("retraction", "Retraction: wrong patient"),
                                    ("retraction_hl7", "Retraction: wrong patient (HL7)"),
                                    ("retraction_fhir", "Retraction: wrong patient (FHIR)"),
                                ],
                                max_length=15,
                            ),
                        ),
                        (
                            "sop_instance_uid",
                            models.CharField(
                                blank=True, max_length=64, verbose_name="SOP Instance UID"
                            ),
                        ),
                        (
                            "series_instance_uid",
                            models.CharField(
                                blank=True, max_length=64, verbose_name="Series Instance UID"
                            ),
                        ),
                        (
                            "sop_class_uid",
                            models.CharField(
                                blank=True, max_length=64, verbose_name="SOP Class UID"
                            ),
                        ),
                        (
                            "identity",
                            models.CharField(
                                blank=True,
                                help_text="Fingerprint of the patient's identity in it.",
                                max_length=64,
                            ),
                        ),
                        (
                            "content",
                            models.BinaryField(help_text="None until it is made.", null=True),
                        ),
                        ("sha256", models.CharField(blank=True, max_length=64)),
                        (
                            "created_at",
                            models.DateTimeField(default=webportal.database.clock.clock),
                        ),
                        ("made_at", models.DateTimeField(blank=True, null=True)),
                        ("revision", models.PositiveSmallIntegerField(default=0)),
                        (
                            "addendum",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="review.addendum",
                            ),
                        ),
                        (
                            "prediction",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="inference.prediction",
                            ),
                        ),
                        (
                            "read",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="review.read",
                            ),
                        ),
                        (
                            "study",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="documents",
                                to="records.study",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["created_at", "id"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("addendum", None),
                                        ("prediction__isnull", False),
                                        ("read", None),
                                    ),
                                    models.Q(("prediction", None), ("read__isnull", False)),
                                    _connector="OR",
                                ),
                                name="document_of_read_or_result",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("content", None), ("made_at", None)),
                                    models.Q(
                                        ("made_at__isnull", False),
                                        models.Q(("sha256", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="document_made",
                            ),
                            models.UniqueConstraint(
                                fields=(
                                    "kind",
                                    "study",
                                    "read",
                                    "addendum",
                                    "prediction",
                                    "revision",
                                ),
                                name="one_document_of_a_kind",
                                nulls_distinct=False,
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Delivery",
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
                                    ("stored", "Awaiting confirmation"),
                                    ("delivered", "Delivered"),
                                    ("rejected", "Rejected"),
                                    ("cancelled", "Cancelled"),
                                ],
                                default="waiting",
                                max_length=10,
                            ),
                        ),
                        ("attempts", models.PositiveIntegerField(default=0)),
                        (
                            "refusals",
                            models.PositiveIntegerField(
                                default=0,
                                help_text="How often it was rejected doubtfully; see `attempts`.",
                            ),
                        ),
                        ("attempted_at", models.DateTimeField(blank=True, null=True)),
                        ("next_attempt_at", models.DateTimeField()),
                        ("settled_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "answer",
                            models.CharField(
                                blank=True,
                                help_text="What the destination answered last, in its code.",
                                max_length=200,
                            ),
                        ),
                        (
                            "created_at",
                            models.DateTimeField(default=webportal.database.clock.clock),
                        ),
                        (
                            "missing",
                            models.PositiveIntegerField(
                                db_default=0,
                                default=0,
                                help_text="How often it was not there when it was to be confirmed.",
                            ),
                        ),
                        ("stored_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "confirmation",
                            models.ForeignKey(
                                blank=True,
                                db_index=False,
                                help_text="What it was asked for; see the partial index.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="deliveries",
                                to="network.storagerequest",
                            ),
                        ),
                        (
                            "destination",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="deliveries",
                                to="delivery.destination",
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="deliveries",
                                to="delivery.document",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "deliveries",
                        "ordering": ["-created_at", "-id"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "waiting")),
                                fields=["destination", "next_attempt_at"],
                                name="delivery_due",
                            ),
                            models.Index(fields=["state", "-created_at"], name="delivery_state"),
                            models.Index(
                                condition=models.Q(("state", "stored")),
                                fields=["destination", "next_attempt_at"],
                                name="delivery_to_confirm",
                            ),
                            models.Index(
                                condition=models.Q(("confirmation__isnull", False)),
                                fields=["confirmation"],
                                name="delivery_confirmation",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("destination", "document"),
                                name="one_delivery_of_a_document",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("settled_at", None), ("state__in", ["waiting", "stored"])
                                    ),
                                    models.Q(
                                        ("settled_at__isnull", False),
                                        ("state__in", ["delivered", "rejected", "cancelled"]),
                                    ),
                                    _connector="OR",
                                ),
                                name="delivery_settled",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="MovedStudy",
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
                        ("at", models.DateTimeField()),
                        (
                            "study",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="records.study",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "moved studies",
                        "ordering": ["at", "id"],
                        "indexes": [models.Index(fields=["at"], name="moved_study_at")],
                    },
                ),
            ],
        ),
    ]
