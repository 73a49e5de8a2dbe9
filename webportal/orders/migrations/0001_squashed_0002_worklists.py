import django.contrib.postgres.fields
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from webportal.database.creation import CreateModels


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("orders", "0001_orders"),
        ("orders", "0002_worklists"),
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
                    name="RejectedSender",
                    fields=[
                        (
                            "address",
                            models.GenericIPAddressField(primary_key=True, serialize=False),
                        ),
                        ("times", models.PositiveIntegerField(default=1)),
                        ("at", models.DateTimeField()),
                    ],
                    options={
                        "ordering": ["-at"],
                    },
                ),
                migrations.CreateModel(
                    name="OrderSource",
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
                        ("name", models.CharField(max_length=40, unique=True, verbose_name="name")),
                        (
                            "addresses",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=50),
                                help_text="IP addresses and networks from which it calls; none of a worklist.",
                                size=None,
                            ),
                        ),
                        (
                            "accession_in",
                            models.CharField(
                                choices=[
                                    ("ihe", "IPC-1, or OBR-18 (IHE)"),
                                    ("filler", "Filler order number (ORC-3 or OBR-3)"),
                                    ("placer", "Placer order number (ORC-2 or OBR-2)"),
                                ],
                                default="ihe",
                                max_length=10,
                            ),
                        ),
                        (
                            "character_set",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("", "ASCII, as the standard says"),
                                    ("UNICODE UTF-8", "UTF-8"),
                                    ("8859/1", "ISO 8859-1 (Western Europe)"),
                                    ("8859/2", "ISO 8859-2 (Central Europe)"),
                                    ("8859/5", "ISO 8859-5 (Cyrillic)"),
                                    ("8859/15", "ISO 8859-15 (Western Europe)"),
                                ],
                                default="",
                                max_length=20,
                            ),
                        ),
                        ("is_active", models.BooleanField(default=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("away_since", models.DateTimeField(blank=True, null=True)),
                        (
                            "failures",
                            models.PositiveIntegerField(
                                default=0, help_text="How often in a row it could not be asked."
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("hl7", "It sends them by HL7"),
                                    ("worklist", "It is queried for them (Modality Worklist)"),
                                ],
                                default="hl7",
                                max_length=10,
                            ),
                        ),
                        ("retry_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "account",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="order_source",
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
                            "departments",
                            models.ManyToManyField(
                                help_text="Their members see its orders before there is a study.",
                                related_name="order_sources",
                                to="accounts.department",
                                verbose_name="departments",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["name"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("name", ""), _negated=True),
                                name="order_source_has_name",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("addresses", []), ("kind", "worklist")),
                                    models.Q(
                                        ("kind", "hl7"), models.Q(("addresses", []), _negated=True)
                                    ),
                                    _connector="OR",
                                ),
                                name="order_source_has_address",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="OrderQuestion",
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
                        ("reason_code", models.CharField(blank=True, max_length=40)),
                        ("reason_params", models.JSONField(blank=True, default=dict)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("waiting", "To be queried"),
                                    ("found", "Answered with an order"),
                                    ("none", "There is no order"),
                                    ("failed", "The answer cannot be used"),
                                ],
                                default="waiting",
                                max_length=10,
                            ),
                        ),
                        ("round", models.PositiveIntegerField(default=1)),
                        (
                            "nones",
                            models.PositiveSmallIntegerField(
                                default=0, help_text="How often the answer was that there is none."
                            ),
                        ),
                        (
                            "failures",
                            models.PositiveSmallIntegerField(
                                default=0, help_text="How often the answer was an error."
                            ),
                        ),
                        ("next_at", models.DateTimeField(help_text="Not to be asked before.")),
                        (
                            "asked_at",
                            models.DateTimeField(
                                blank=True, help_text="When it answered last.", null=True
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        (
                            "study",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="order_questions",
                                to="records.study",
                            ),
                        ),
                        (
                            "source",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="questions",
                                to="orders.ordersource",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["created_at", "id"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "waiting")),
                                fields=["source", "next_at"],
                                name="question_due",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("study", "source"), name="one_question"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state__in", ["waiting", "found", "none", "failed"])
                                ),
                                name="question_state_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="OrderMessage",
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
                        ("reason_code", models.CharField(blank=True, max_length=40)),
                        ("reason_params", models.JSONField(blank=True, default=dict)),
                        (
                            "control_id",
                            models.CharField(blank=True, max_length=199, verbose_name="MSH-10"),
                        ),
                        ("kind", models.CharField(blank=True, max_length=40, verbose_name="MSH-9")),
                        ("sha256", models.CharField(max_length=64)),
                        ("answer", models.CharField(max_length=2)),
                        (
                            "orders",
                            models.PositiveSmallIntegerField(
                                default=0, help_text="How many orders it described."
                            ),
                        ),
                        ("times_received", models.PositiveIntegerField(default=1)),
                        ("received_at", models.DateTimeField(help_text="The last time.")),
                        (
                            "source",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="messages",
                                to="orders.ordersource",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-received_at", "-id"],
                        "indexes": [
                            models.Index(
                                fields=["-received_at", "-id"], name="order_messages_newest"
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("source", "control_id", "sha256"), name="order_message_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Order",
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
                        ("accession_number", models.CharField(max_length=64)),
                        (
                            "placer_number",
                            models.TextField(
                                blank=True, verbose_name="Placer Order Number (ORC-2)"
                            ),
                        ),
                        (
                            "filler_number",
                            models.TextField(
                                blank=True, verbose_name="Filler Order Number (ORC-3)"
                            ),
                        ),
                        (
                            "status",
                            models.CharField(
                                choices=[("ordered", "Ordered"), ("cancelled", "Cancelled")],
                                default="ordered",
                                max_length=10,
                            ),
                        ),
                        ("patient_ids", models.JSONField(default=list)),
                        (
                            "patient_name",
                            models.TextField(blank=True, help_text="As a DICOM person name."),
                        ),
                        ("birth_date", models.DateField(blank=True, null=True)),
                        (
                            "sex",
                            models.CharField(
                                blank=True,
                                choices=[("F", "Female"), ("M", "Male"), ("O", "Other")],
                                max_length=1,
                            ),
                        ),
                        ("procedure_code", models.TextField(blank=True)),
                        (
                            "procedure",
                            models.TextField(blank=True, verbose_name="requested procedure"),
                        ),
                        ("indication", models.TextField(blank=True)),
                        (
                            "history",
                            models.TextField(
                                blank=True, verbose_name="relevant clinical information"
                            ),
                        ),
                        ("notes", models.TextField(blank=True)),
                        (
                            "referring_physician",
                            models.TextField(blank=True, verbose_name="referring clinician"),
                        ),
                        (
                            "priority",
                            models.PositiveSmallIntegerField(
                                choices=[(0, "Stat"), (1, "Urgent"), (2, "Routine")], default=2
                            ),
                        ),
                        (
                            "priority_code",
                            models.TextField(blank=True, verbose_name="priority as received"),
                        ),
                        ("said_at", models.JSONField(default=dict)),
                        (
                            "not_for",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.UUIDField(),
                                default=list,
                                help_text="Studies that a person said it is not for.",
                                size=None,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("changed_at", models.DateTimeField()),
                        (
                            "source",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="orders",
                                to="orders.ordersource",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["created_at", "id"],
                        "indexes": [
                            models.Index(fields=["accession_number"], name="order_accession")
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("source", "accession_number", "placer_number"),
                                name="order_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("accession_number", ""), _negated=True),
                                name="order_has_accession_number",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("status__in", ["ordered", "cancelled"])),
                                name="order_status_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("priority__in", [0, 1, 2])),
                                name="order_priority_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="OrderedStudy",
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
                        ("brought", models.JSONField(default=dict)),
                        ("linked_at", models.DateTimeField(auto_now_add=True)),
                        (
                            "linked_by",
                            models.ForeignKey(
                                help_text="The person who linked them; none where number and patient agreed.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "order",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="links",
                                to="orders.order",
                            ),
                        ),
                        (
                            "study",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="order_links",
                                to="records.study",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "ordered studies",
                        "ordering": ["linked_at", "id"],
                        "constraints": [
                            models.UniqueConstraint(fields=("order", "study"), name="one_link")
                        ],
                    },
                ),
            ],
        ),
    ]
