import django.contrib.postgres.fields
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from webportal.database.creation import CreateModels
from webportal.review.migrations._search_path import LOOK_IN_PUBLIC
from webportal.review.migrations._triggers import CREATE, DROP


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("review", "0001_initial"),
        ("review", "0002_signed_reads_stay"),
        ("review", "0003_reading_flow"),
        ("review", "0004_saved_views"),
        ("review", "0005_reading_preference"),
        ("review", "0006_marks_on_images"),
        ("review", "0007_keyboard_shortcuts"),
        ("review", "0008_find_second_reads"),
        ("review", "0009_default_view"),
        ("review", "0010_identity_of_a_read"),
        ("review", "0011_amended_and_taken_back"),
        ("review", "0012_protect_amendments"),
        ("review", "0013_images_viewed"),
        ("review", "0014_measurements"),
        ("review", "0015_erased_reads"),
        ("review", "0016_triggers_look_in_public"),
    ]

    dependencies = [
        ("accounts", "0003_coordinator"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("audit", "0016_erased_details"),
        ("inference", "0004_find_jobs_by_study"),
        ("records", "0006_sort_by_the_name_that_is_shown"),
    ]

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="ReadingPreference",
                    fields=[
                        (
                            "reader",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="reading_preference",
                                serialize=False,
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "reads_first",
                            models.BooleanField(
                                default=False,
                                help_text="The model's result stays closed until the reader opens it or has signed.",
                            ),
                        ),
                        (
                            "has_shortcuts",
                            models.BooleanField(
                                default=True,
                                help_text="Single characters typed on the keyboard act in the worklist and the viewer.",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="SigningPin",
                    fields=[
                        (
                            "user",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="signing_pin",
                                serialize=False,
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("pin_hash", models.CharField(max_length=128)),
                        ("changed_at", models.DateTimeField(auto_now=True)),
                    ],
                ),
                migrations.CreateModel(
                    name="Read",
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
                            "state",
                            models.CharField(
                                choices=[
                                    ("draft", "Draft"),
                                    ("signed", "Signed"),
                                    ("taken_back", "Signature taken back"),
                                ],
                                default="draft",
                                max_length=10,
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("first", "First read"),
                                    ("second", "Second read"),
                                    ("arbitration", "Arbitration"),
                                ],
                                default="first",
                                help_text="Settled by the signature.",
                                max_length=12,
                            ),
                        ),
                        (
                            "decision",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("confirm", "Confirm"),
                                    ("overrule", "Overrule"),
                                    ("not_interpretable", "Not interpretable"),
                                    ("unaided", "Read without a model result"),
                                ],
                                max_length=20,
                            ),
                        ),
                        (
                            "pneumonia",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("none", "No pneumonia"),
                                    ("possible", "Possible pneumonia"),
                                    ("definite", "Definite pneumonia"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "zones",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(
                                    choices=[
                                        ("right_upper", "Right upper zone"),
                                        ("right_middle", "Right middle zone"),
                                        ("right_lower", "Right lower zone"),
                                        ("left_upper", "Left upper zone"),
                                        ("left_middle", "Left middle zone"),
                                        ("left_lower", "Left lower zone"),
                                    ],
                                    max_length=20,
                                ),
                                blank=True,
                                default=list,
                                help_text="Where the pneumonia is.",
                                size=None,
                            ),
                        ),
                        (
                            "other_findings",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(
                                    choices=[
                                        ("effusion", "Pleural effusion"),
                                        ("cardiomegaly", "Cardiomegaly"),
                                        ("pneumothorax", "Pneumothorax"),
                                        ("atelectasis", "Atelectasis"),
                                        ("other", "Other"),
                                    ],
                                    max_length=20,
                                ),
                                blank=True,
                                default=list,
                                size=None,
                            ),
                        ),
                        (
                            "marks",
                            models.JSONField(
                                blank=True,
                                default=list,
                                help_text="Places on the images, as `Mark.as_json` in `marks` writes them.",
                            ),
                        ),
                        (
                            "measurements",
                            models.JSONField(
                                blank=True,
                                default=list,
                                help_text="Lengths, angles and areas, as `measured` in `measurements` writes them.",
                            ),
                        ),
                        ("comment", models.TextField(blank=True, verbose_name="impression")),
                        (
                            "identity",
                            models.JSONField(
                                blank=True,
                                default=dict,
                                help_text="Under which identity it was signed, as `shown_identity` in webportal.records.identity has it; empty in a draft and in earlier reads.",
                            ),
                        ),
                        (
                            "revision",
                            models.PositiveSmallIntegerField(
                                default=0,
                                help_text="How many signed reads came before it in a chain of amendments.",
                            ),
                        ),
                        (
                            "reason",
                            models.CharField(
                                blank=True, help_text="Why it amends that read.", max_length=200
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        ("signed_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "amends",
                            models.ForeignKey(
                                blank=True,
                                help_text="The signed read that this one supersedes, once it is signed itself.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="amendments",
                                to="review.read",
                            ),
                        ),
                        (
                            "prediction",
                            models.ForeignKey(
                                blank=True,
                                help_text="The result that the reader saw and decided on.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="reads",
                                to="inference.prediction",
                            ),
                        ),
                        (
                            "reader",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="reads",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "study",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="reads",
                                to="records.study",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-created_at"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "signed")),
                                fields=["signed_at"],
                                name="read_signed",
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "signed")),
                                fields=("study", "kind", "revision"),
                                name="one_signed_read_per_study_and_kind",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("state", "signed")),
                                fields=("study", "reader", "revision"),
                                name="one_signed_read_per_study_and_reader",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("state", "signed")),
                                fields=("amends",),
                                name="one_signed_amendment_per_read",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("state", "draft")),
                                fields=("study", "reader"),
                                name="one_draft_per_study_and_reader",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("signed_at", None), ("state", "draft")),
                                    models.Q(
                                        ("signed_at__isnull", False),
                                        ("state__in", ["signed", "taken_back"]),
                                        models.Q(("decision", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="read_signed_when_complete",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state", "draft"),
                                    models.Q(("decision", "not_interpretable"), ("pneumonia", "")),
                                    models.Q(
                                        ("decision__in", ["confirm", "overrule"]),
                                        ("pneumonia__in", ["none", "possible", "definite"]),
                                        ("prediction__isnull", False),
                                    ),
                                    models.Q(
                                        ("decision", "unaided"),
                                        ("pneumonia__in", ["none", "possible", "definite"]),
                                        ("prediction", None),
                                    ),
                                    _connector="OR",
                                ),
                                name="read_finding_matches_decision",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "other_findings__contained_by",
                                        [
                                            "effusion",
                                            "cardiomegaly",
                                            "pneumothorax",
                                            "atelectasis",
                                            "other",
                                        ],
                                    )
                                ),
                                name="read_other_findings_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "zones__contained_by",
                                        [
                                            "right_upper",
                                            "right_middle",
                                            "right_lower",
                                            "left_upper",
                                            "left_middle",
                                            "left_lower",
                                        ],
                                    )
                                ),
                                name="read_zones_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state", "draft"),
                                    ("pneumonia__in", ["possible", "definite"]),
                                    ("zones", []),
                                    _connector="OR",
                                ),
                                name="read_zones_of_a_pneumonia",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("kind__in", ["first", "second", "arbitration"])
                                ),
                                name="read_kind_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state", "draft"),
                                    models.Q(("amends", None), ("reason", ""), ("revision", 0)),
                                    models.Q(
                                        ("amends__isnull", False),
                                        ("revision__gt", 0),
                                        models.Q(("reason", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="read_amendment_complete",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Addendum",
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
                        ("reason", models.CharField(max_length=200)),
                        ("text", models.TextField()),
                        ("signed_at", models.DateTimeField()),
                        (
                            "author",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="addenda",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "read",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="addenda",
                                to="review.read",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "addenda",
                        "ordering": ["signed_at"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("reason", ""), _negated=True),
                                    models.Q(("text", ""), _negated=True),
                                ),
                                name="addendum_complete",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Reservation",
                    fields=[
                        (
                            "study",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="reservation",
                                serialize=False,
                                to="records.study",
                            ),
                        ),
                        ("reserved_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        (
                            "reader",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="reservations",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["reserved_at"],
                    },
                ),
                migrations.CreateModel(
                    name="SavedView",
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
                        ("name", models.CharField(max_length=60)),
                        ("filters", models.JSONField(default=dict)),
                        (
                            "columns",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=20), default=list, size=None
                            ),
                        ),
                        ("is_shared", models.BooleanField(default=False)),
                        (
                            "owner",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="saved_views",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["name"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("owner", "name"), name="one_view_of_a_name"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("name", ""), _negated=True),
                                name="view_has_a_name",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SecondReading",
                    fields=[
                        (
                            "study",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                primary_key=True,
                                related_name="second_reading",
                                serialize=False,
                                to="records.study",
                            ),
                        ),
                        (
                            "reason",
                            models.CharField(
                                choices=[
                                    ("drawn", "Drawn at random"),
                                    ("overruled", "A positive model result was overruled"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "due",
                            models.CharField(
                                blank=True,
                                choices=[("second", "Second read"), ("arbitration", "Arbitration")],
                                default="second",
                                max_length=12,
                            ),
                        ),
                        ("ordered_at", models.DateTimeField(auto_now_add=True)),
                        (
                            "ordered_by",
                            models.ForeignKey(
                                help_text="The read whose signature asked for it: with that signature it is taken back.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="review.read",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["ordered_at"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("due", "second")),
                                fields=["study"],
                                name="second_read_due",
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("due__in", ["", "second", "arbitration"])),
                                name="second_reading_due_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("reason__in", ["drawn", "overruled"])),
                                name="second_reading_reason_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="TextTemplate",
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
                        ("key", models.CharField(max_length=1, verbose_name="key")),
                        ("name", models.CharField(max_length=60, verbose_name="name")),
                        ("text", models.TextField(max_length=4000, verbose_name="text")),
                        (
                            "owner",
                            models.ForeignKey(
                                blank=True,
                                help_text="Nobody: shared by all radiologists.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="text_templates",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["key"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("owner", "key"),
                                name="one_template_per_key",
                                nulls_distinct=False,
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("key__regex", "^[a-z0-9]$"),
                                    models.Q(("name", ""), _negated=True),
                                    models.Q(("text", ""), _negated=True),
                                ),
                                name="template_complete",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="WorklistPreference",
                    fields=[
                        (
                            "user",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="worklist_preference",
                                serialize=False,
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "columns",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=20),
                                default=list,
                                help_text="Empty for the usual ones.",
                                size=None,
                            ),
                        ),
                        (
                            "default_view",
                            models.ForeignKey(
                                blank=True,
                                help_text="What the worklist opens with, as long as this person may open it.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="review.savedview",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="ImageView",
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
                        ("first_at", models.DateTimeField()),
                        (
                            "radiograph",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="views",
                                to="records.radiograph",
                            ),
                        ),
                        (
                            "reader",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="image_views",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["first_at"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("reader", "radiograph"),
                                name="one_first_view_per_reader_and_image",
                            )
                        ],
                    },
                ),
            ],
        ),
        migrations.RunSQL(CREATE, DROP),
        *LOOK_IN_PUBLIC,
    ]
