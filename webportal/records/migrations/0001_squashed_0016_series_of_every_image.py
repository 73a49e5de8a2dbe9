import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.comparison
import uuid
import webportal.records.shown_result
from django.conf import settings
from django.contrib.postgres.operations import TrigramExtension, UnaccentExtension
from django.db import migrations, models

from webportal.database.creation import CreateModels
from webportal.records.migrations._triggers import CREATE, DROP


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("records", "0001_initial"),
        ("records", "0002_worklist_and_search"),
        ("records", "0003_words_of_a_study"),
        ("records", "0004_order_by_name"),
        ("records", "0005_order_by_patient_id"),
        ("records", "0006_sort_by_the_name_that_is_shown"),
        ("records", "0007_identity_corrections"),
        ("records", "0008_assigned_at"),
        ("records", "0009_whole_identifiers"),
        ("records", "0010_referrer"),
        ("records", "0011_purpose_of_the_model"),
        ("records", "0012_analysis_failed"),
        ("records", "0013_file_faults"),
        ("records", "0014_series"),
        ("records", "0015_departments"),
        ("records", "0016_series_of_every_image"),
        ("records", "0017_priors"),
        ("records", "0018_assigned_since"),
    ]

    dependencies = [
        ("accounts", "0015_general_department"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # Both are trusted: the owner of the database may create them without being a superuser.
        TrigramExtension(),
        UnaccentExtension(),
        CreateModels(
            [
                migrations.CreateModel(
                    name="Patient",
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
                        ("patient_id", models.CharField(max_length=64, verbose_name="Patient ID")),
                        (
                            "issuer",
                            models.CharField(
                                blank=True, max_length=64, verbose_name="Issuer of Patient ID"
                            ),
                        ),
                        ("name", models.CharField(blank=True, max_length=500)),
                        ("birth_date", models.DateField(blank=True, null=True)),
                        (
                            "sex",
                            models.CharField(
                                blank=True,
                                choices=[("F", "Female"), ("M", "Male"), ("O", "Other")],
                                max_length=1,
                            ),
                        ),
                        (
                            "is_temporary",
                            models.BooleanField(
                                default=False,
                                help_text="Made for a file that carried no patient data.",
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ["name", "patient_id"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("patient_id", "issuer"), name="patient_identity"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("patient_id", ""), _negated=True),
                                name="patient_id_not_empty",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("sex__in", ["", "F", "M", "O"])),
                                name="patient_sex_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Study",
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
                            "study_instance_uid",
                            models.CharField(
                                max_length=64, unique=True, verbose_name="Study Instance UID"
                            ),
                        ),
                        ("accession_number", models.CharField(blank=True, max_length=64)),
                        ("description", models.TextField(blank=True)),
                        ("performed_at", models.DateTimeField(blank=True, null=True)),
                        ("indication", models.TextField(blank=True)),
                        (
                            "symptoms",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(
                                    choices=[
                                        ("cough", "Cough"),
                                        ("fever", "Fever"),
                                        ("chest_pain", "Chest pain"),
                                        ("dyspnoea", "Difficulty breathing"),
                                        ("tachypnoea", "Fast breathing"),
                                        ("wheeze", "Wheeze"),
                                        ("sputum", "Sputum"),
                                        ("hypoxia", "Low oxygen saturation"),
                                        ("fatigue", "Fatigue"),
                                        ("vomiting", "Vomiting"),
                                    ],
                                    max_length=20,
                                ),
                                blank=True,
                                default=list,
                                size=None,
                            ),
                        ),
                        ("history", models.TextField(blank=True, verbose_name="relevant history")),
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
                            "is_phantom",
                            models.BooleanField(
                                default=False,
                                help_text="Drawn by the project for demonstration; not a person.",
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        (
                            "assigned_at",
                            models.DateTimeField(
                                blank=True,
                                help_text="When somebody else asked that reader; none where they took it themselves.",
                                null=True,
                            ),
                        ),
                        (
                            "concern",
                            models.PositiveSmallIntegerField(
                                choices=[
                                    (0, "Likely"),
                                    (1, "Indeterminate"),
                                    (2, "Not Assessable"),
                                    (3, "Unlikely"),
                                    (4, "No Result"),
                                ],
                                default=4,
                            ),
                        ),
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
                        ("probability", models.FloatField(null=True)),
                        (
                            "purpose",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("within", "Within the model’s purpose"),
                                    (
                                        "unconfirmed",
                                        "Not known whether it is within the model’s purpose",
                                    ),
                                    ("outside", "Outside the model’s purpose"),
                                    ("withheld", "Outside the model’s purpose, and withheld"),
                                ],
                                max_length=12,
                            ),
                        ),
                        (
                            "purpose_reasons",
                            models.JSONField(
                                default=list,
                                help_text="As those of the result that counts; see Prediction.",
                            ),
                        ),
                        (
                            "images_differ",
                            models.BooleanField(
                                default=False,
                                help_text="Whether the model says of one image other than of another.",
                            ),
                        ),
                        (
                            "images_withheld",
                            models.PositiveSmallIntegerField(
                                default=0,
                                help_text="How many images beside those that count the model was not made for.",
                            ),
                        ),
                        (
                            "reading_state",
                            models.CharField(
                                choices=[
                                    ("unread", "Unread"),
                                    ("signed", "Signed"),
                                    ("prior", "Prior"),
                                ],
                                default="unread",
                                max_length=10,
                            ),
                        ),
                        (
                            "sort_name",
                            models.TextField(db_collation="C", default="", editable=False),
                        ),
                        (
                            "sort_patient_id",
                            models.TextField(db_collation="C", default="", editable=False),
                        ),
                        (
                            "assigned_since",
                            models.DateTimeField(
                                blank=True,
                                help_text="Since when it is assigned, also if the reader did it.",
                                null=True,
                            ),
                        ),
                        (
                            "assigned_reader",
                            models.ForeignKey(
                                blank=True,
                                db_index=False,
                                help_text="Who is asked to read it; written by webportal.review.worklist.bulk.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="assigned_studies",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "created_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="studies",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "department",
                            models.ForeignKey(
                                db_index=False,
                                help_text="Whose people see it; changed by webportal.review.study.moving alone.",
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="studies",
                                to="accounts.department",
                            ),
                        ),
                        (
                            "patient",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="studies",
                                to="records.patient",
                            ),
                        ),
                        (
                            "referrer",
                            models.ForeignKey(
                                blank=True,
                                help_text="The account of the referring clinician, who is told of the report.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="referred_studies",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "studies",
                        "ordering": ["-created_at"],
                        "indexes": [
                            models.Index(
                                fields=[
                                    "reading_state",
                                    "priority",
                                    "concern",
                                    "created_at",
                                    "id",
                                    "department",
                                ],
                                name="study_worklist",
                            ),
                            models.Index(
                                fields=["priority", "concern", "created_at", "id", "department"],
                                name="study_all_urgency",
                            ),
                            models.Index(
                                fields=["reading_state", "created_at", "id", "department"],
                                name="study_received",
                            ),
                            models.Index(
                                fields=["created_at", "id", "department"], name="study_all_received"
                            ),
                            models.Index(
                                models.F("reading_state"),
                                django.db.models.functions.comparison.Coalesce("probability", -1.0),
                                models.F("id"),
                                models.F("department"),
                                name="study_probable",
                            ),
                            models.Index(
                                django.db.models.functions.comparison.Coalesce("probability", -1.0),
                                models.F("id"),
                                models.F("department"),
                                name="study_all_probable",
                            ),
                            models.Index(
                                fields=[
                                    "reading_state",
                                    "sort_name",
                                    "created_at",
                                    "id",
                                    "department",
                                ],
                                name="study_name",
                            ),
                            models.Index(
                                fields=["sort_name", "created_at", "id", "department"],
                                name="study_all_name",
                            ),
                            models.Index(
                                fields=[
                                    "reading_state",
                                    "sort_patient_id",
                                    "created_at",
                                    "id",
                                    "department",
                                ],
                                name="study_patient_id",
                            ),
                            models.Index(
                                fields=["sort_patient_id", "created_at", "id", "department"],
                                name="study_all_patient_id",
                            ),
                            models.Index(
                                condition=models.Q(("assigned_reader__isnull", False)),
                                fields=[
                                    "assigned_reader",
                                    "reading_state",
                                    "priority",
                                    "concern",
                                    "created_at",
                                    "id",
                                    "department",
                                ],
                                name="study_assigned",
                            ),
                            models.Index(fields=["accession_number"], name="study_accession"),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("study_instance_uid", ""), _negated=True),
                                name="study_uid_not_empty",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "symptoms__contained_by",
                                        [
                                            "cough",
                                            "fever",
                                            "chest_pain",
                                            "dyspnoea",
                                            "tachypnoea",
                                            "wheeze",
                                            "sputum",
                                            "hypoxia",
                                            "fatigue",
                                            "vomiting",
                                        ],
                                    )
                                ),
                                name="study_symptoms_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("priority__in", [0, 1, 2])),
                                name="study_priority_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("category", ""), ("concern", 4), ("probability", None)
                                    ),
                                    models.Q(
                                        ("category", "likely"),
                                        ("concern", 0),
                                        ("probability__isnull", False),
                                    ),
                                    models.Q(
                                        ("category", "indeterminate"),
                                        ("concern", 1),
                                        ("probability__isnull", False),
                                    ),
                                    models.Q(
                                        ("category", "unlikely"),
                                        ("concern", 3),
                                        ("probability__isnull", False),
                                    ),
                                    models.Q(
                                        (
                                            "category__in",
                                            ["not_assessable", "outside_purpose", "failed"],
                                        ),
                                        ("concern", 2),
                                        ("probability", None),
                                    ),
                                    _connector="OR",
                                ),
                                name="study_concern_matches_category",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("reading_state__in", ["unread", "signed", "prior"])
                                ),
                                name="study_reading_known",
                            ),
                        ],
                    },
                    bases=(webportal.records.shown_result.ShownResult, models.Model),
                ),
                migrations.CreateModel(
                    name="Series",
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
                            "series_instance_uid",
                            models.CharField(max_length=64, verbose_name="Series Instance UID"),
                        ),
                        (
                            "number",
                            models.IntegerField(
                                blank=True, null=True, verbose_name="Series Number"
                            ),
                        ),
                        ("description", models.TextField(blank=True)),
                        ("modality", models.CharField(blank=True, max_length=16)),
                        (
                            "body_part",
                            models.CharField(
                                blank=True, max_length=64, verbose_name="Body Part Examined"
                            ),
                        ),
                        ("laterality", models.CharField(blank=True, max_length=16)),
                        ("manufacturer", models.TextField(blank=True)),
                        (
                            "model_name",
                            models.TextField(blank=True, verbose_name="Manufacturer's Model Name"),
                        ),
                        ("station_name", models.CharField(blank=True, max_length=64)),
                        (
                            "ae_title",
                            models.CharField(
                                blank=True,
                                help_text="Of whoever sent or wrote the file.",
                                max_length=64,
                                verbose_name="AE title",
                            ),
                        ),
                        ("institution", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        (
                            "study",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="series",
                                to="records.study",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "series",
                        "ordering": ["number", "created_at", "id"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("study", "series_instance_uid"),
                                name="series_once_per_study",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("series_instance_uid", ""), _negated=True),
                                name="series_uid_not_empty",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Radiograph",
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
                            "sop_instance_uid",
                            models.CharField(
                                max_length=64, unique=True, verbose_name="SOP Instance UID"
                            ),
                        ),
                        (
                            "sop_class_uid",
                            models.CharField(max_length=64, verbose_name="SOP Class UID"),
                        ),
                        (
                            "instance_number",
                            models.IntegerField(
                                blank=True, null=True, verbose_name="Instance Number"
                            ),
                        ),
                        (
                            "acquired_at",
                            models.DateTimeField(
                                blank=True,
                                help_text="Acquisition Date and Time, where the file gives both.",
                                null=True,
                            ),
                        ),
                        ("modality", models.CharField(max_length=16)),
                        ("view_position", models.CharField(blank=True, max_length=64)),
                        (
                            "body_part",
                            models.CharField(
                                blank=True, max_length=64, verbose_name="Body Part Examined"
                            ),
                        ),
                        (
                            "laterality",
                            models.CharField(
                                blank=True, max_length=16, verbose_name="Image Laterality"
                            ),
                        ),
                        (
                            "patient_age",
                            models.CharField(
                                blank=True, max_length=16, verbose_name="Patient's Age"
                            ),
                        ),
                        (
                            "codes",
                            models.JSONField(
                                default=list,
                                help_text="Codes of view, view modifier, region and procedure: objects with `of`, `value`, `scheme` and `meaning`.",
                            ),
                        ),
                        ("rows", models.PositiveIntegerField()),
                        ("columns", models.PositiveIntegerField()),
                        ("bits_stored", models.PositiveSmallIntegerField()),
                        (
                            "media_type",
                            models.CharField(
                                max_length=32, verbose_name="media type of the original"
                            ),
                        ),
                        ("original_sha256", models.CharField(max_length=64, unique=True)),
                        ("original_key", models.CharField(max_length=200)),
                        ("original_bytes", models.PositiveBigIntegerField()),
                        ("dicom_sha256", models.CharField(max_length=64)),
                        ("dicom_key", models.CharField(max_length=200)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        (
                            "series",
                            models.ForeignKey(
                                blank=True,
                                help_text="None for images that were stored before series were recorded.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="radiographs",
                                to="records.series",
                            ),
                        ),
                        (
                            "study",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="radiographs",
                                to="records.study",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["created_at", "id"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("sop_instance_uid", ""), _negated=True),
                                name="radiograph_uid",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("original_sha256__regex", "^[0-9a-f]{64}$"),
                                    ("dicom_sha256__regex", "^[0-9a-f]{64}$"),
                                ),
                                name="radiograph_hashes",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("rows__gte", 1), ("columns__gte", 1)),
                                name="radiograph_size",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("bits_stored__gte", 1), ("bits_stored__lte", 16)
                                ),
                                name="radiograph_bits",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("modality__in", ["CR", "DX", "RG", "OT"])),
                                name="radiograph_modality",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="IdentityCorrection",
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
                        ("before", models.JSONField()),
                        ("after", models.JSONField()),
                        ("reason", models.TextField()),
                        ("at", models.DateTimeField()),
                        (
                            "corrected_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="identity_corrections",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "studies",
                            models.ManyToManyField(
                                help_text="Those that were signed then.",
                                related_name="identity_corrections",
                                to="records.study",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["at"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("reason", ""), _negated=True),
                                name="identity_correction_has_reason",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CorrectionSeen",
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
                        ("at", models.DateTimeField(auto_now_add=True)),
                        (
                            "reader",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="corrections_seen",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "correction",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="seen",
                                to="records.identitycorrection",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "corrections seen",
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("correction", "reader"),
                                name="correction_seen_once_a_reader",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="EmergencyAccess",
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
                        ("reason", models.TextField()),
                        ("began_at", models.DateTimeField()),
                        (
                            "ends_at",
                            models.DateTimeField(
                                help_text="Brought forward when the person ends it."
                            ),
                        ),
                        (
                            "outcome",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("justified", "Justified"),
                                    ("not_justified", "Not justified"),
                                    ("unclear", "Could not be clarified"),
                                ],
                                max_length=20,
                            ),
                        ),
                        ("remark", models.TextField(blank=True)),
                        ("reviewed_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "person",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="emergency_accesses",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "reviewed_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "patient",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="emergency_accesses",
                                to="records.patient",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "emergency accesses",
                        "ordering": ["-began_at", "id"],
                        "indexes": [
                            models.Index(fields=["person", "ends_at"], name="emergency_of_person"),
                            models.Index(
                                condition=models.Q(("outcome", "")),
                                fields=["began_at"],
                                name="emergency_to_review",
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("reason", ""), _negated=True),
                                name="emergency_has_reason",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("ends_at__gte", models.F("began_at"))),
                                name="emergency_ends_after_it_began",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("outcome", ""),
                                        ("reviewed_at", None),
                                        ("reviewed_by", None),
                                    ),
                                    models.Q(
                                        ("outcome__in", ["justified", "not_justified", "unclear"]),
                                        ("reviewed_at__isnull", False),
                                        ("reviewed_by__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="emergency_review_complete",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="FileFault",
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
                        ("key", models.CharField(max_length=200)),
                        (
                            "kind",
                            models.CharField(
                                choices=[("missing", "Missing"), ("damaged", "Damaged")],
                                max_length=10,
                            ),
                        ),
                        ("found_at", models.DateTimeField(auto_now_add=True)),
                        ("repaired_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "radiograph",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="file_faults",
                                to="records.radiograph",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-found_at"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("repaired_at", None)),
                                fields=("key",),
                                name="one_open_fault_of_a_file",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="StudySearch",
                    fields=[
                        (
                            "study",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="search",
                                serialize=False,
                                to="records.study",
                            ),
                        ),
                        ("text", models.TextField()),
                    ],
                    options={
                        "verbose_name_plural": "study searches",
                        "indexes": [
                            django.contrib.postgres.indexes.GinIndex(
                                fastupdate=False,
                                fields=["text"],
                                name="study_search_text",
                                opclasses=["gin_trgm_ops"],
                            )
                        ],
                    },
                ),
            ],
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
