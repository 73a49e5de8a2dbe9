import django.contrib.postgres.fields
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from webportal.database.creation import CreateModels


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("notifications", "0001_initial"),
        ("notifications", "0002_group_stat_studies"),
        ("notifications", "0003_no_study_of_a_notification"),
        ("notifications", "0004_assignments_signatures_and_alerts"),
        ("notifications", "0005_corrections_of_identities"),
        ("notifications", "0006_reports_ready"),
        ("notifications", "0007_categories_of_results"),
        ("notifications", "0008_analysis_failed"),
        ("notifications", "0009_password_resets"),
        ("notifications", "0010_second_factors"),
        ("notifications", "0011_emergency_access"),
        ("notifications", "0012_overdue_reviews"),
    ]

    dependencies = [
        ("accounts", "0004_user_name_whatever_case"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("intake", "0004_departments"),
        ("records", "0016_series_of_every_image"),
    ]

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="MailChoice",
                    fields=[
                        (
                            "user",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="mail_choice",
                                serialize=False,
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "kinds",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(
                                    choices=[
                                        ("batch_done", "One of my uploads has finished"),
                                        ("stat_unread", "A stat study waits unread for too long"),
                                        ("studies_assigned", "Studies are assigned to me"),
                                        (
                                            "read_overruled",
                                            "An arbitration overrules one of my reads",
                                        ),
                                        ("studies_signed", "Studies that I uploaded are signed"),
                                        (
                                            "identity_corrected",
                                            "The identity under which I signed a read is corrected",
                                        ),
                                        (
                                            "reports_ready",
                                            "Reports on patients whom I referred are ready",
                                        ),
                                        ("system_alert", "The system needs attention"),
                                        (
                                            "password_reset",
                                            "Hospital IT gave me a one-time password",
                                        ),
                                        ("factor_added", "A second factor was added to my account"),
                                        ("factor_removed", "One of my second factors was removed"),
                                        ("factor_reset", "Hospital IT reset my second factor"),
                                        ("emergency", "Somebody uses emergency access"),
                                        (
                                            "emergency_overdue",
                                            "The review of an emergency access is overdue",
                                        ),
                                    ],
                                    max_length=20,
                                ),
                                default=list,
                                size=None,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "kinds__contained_by",
                                        [
                                            "batch_done",
                                            "stat_unread",
                                            "studies_assigned",
                                            "read_overruled",
                                            "studies_signed",
                                            "identity_corrected",
                                            "reports_ready",
                                            "system_alert",
                                            "password_reset",
                                            "factor_added",
                                            "factor_removed",
                                            "factor_reset",
                                            "emergency",
                                            "emergency_overdue",
                                        ],
                                    )
                                ),
                                name="mail_kinds_known",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SystemAlert",
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
                        ("code", models.CharField(max_length=40)),
                        ("since", models.DateTimeField()),
                        ("cleared_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["-since"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("cleared_at", None)),
                                fields=("code",),
                                name="one_open_alert_of_a_code",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Notification",
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
                                    ("batch_done", "One of my uploads has finished"),
                                    ("stat_unread", "A stat study waits unread for too long"),
                                    ("studies_assigned", "Studies are assigned to me"),
                                    ("read_overruled", "An arbitration overrules one of my reads"),
                                    ("studies_signed", "Studies that I uploaded are signed"),
                                    (
                                        "identity_corrected",
                                        "The identity under which I signed a read is corrected",
                                    ),
                                    (
                                        "reports_ready",
                                        "Reports on patients whom I referred are ready",
                                    ),
                                    ("system_alert", "The system needs attention"),
                                    ("password_reset", "Hospital IT gave me a one-time password"),
                                    ("factor_added", "A second factor was added to my account"),
                                    ("factor_removed", "One of my second factors was removed"),
                                    ("factor_reset", "Hospital IT reset my second factor"),
                                    ("emergency", "Somebody uses emergency access"),
                                    (
                                        "emergency_overdue",
                                        "The review of an emergency access is overdue",
                                    ),
                                ],
                                max_length=20,
                            ),
                        ),
                        (
                            "studies",
                            models.PositiveIntegerField(
                                default=0, help_text="How many studies it is about."
                            ),
                        ),
                        (
                            "counted_until",
                            models.DateTimeField(
                                blank=True,
                                help_text="What happened up to then is in the number of studies.",
                                null=True,
                            ),
                        ),
                        (
                            "waiting_since",
                            models.DateTimeField(
                                blank=True,
                                help_text="Since when the first of them has been waiting.",
                                null=True,
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
                                help_text="The result that all of them have; empty where it is not to be told.",
                                max_length=20,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("read_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "mail_state",
                            models.CharField(
                                choices=[
                                    ("none", "No e-mail"),
                                    ("due", "E-mail to be sent"),
                                    ("sent", "E-mail sent"),
                                    ("failed", "E-mail could not be sent"),
                                ],
                                default="none",
                                max_length=10,
                            ),
                        ),
                        ("mail_attempts", models.PositiveSmallIntegerField(default=0)),
                        ("mail_due_at", models.DateTimeField(blank=True, null=True)),
                        ("mailed_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "batch",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="notifications",
                                to="intake.uploadbatch",
                            ),
                        ),
                        (
                            "correction",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="notifications",
                                to="records.identitycorrection",
                            ),
                        ),
                        (
                            "emergency",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="notifications",
                                to="records.emergencyaccess",
                            ),
                        ),
                        (
                            "recipient",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="notifications",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "study",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="notifications",
                                to="records.study",
                            ),
                        ),
                        (
                            "alert",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="notifications",
                                to="notifications.systemalert",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-created_at", "id"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("read_at", None)),
                                fields=["recipient"],
                                name="notification_unread",
                            ),
                            models.Index(
                                condition=models.Q(("mail_state", "due")),
                                fields=["mail_due_at"],
                                name="notification_mail",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("recipient", "batch"), name="one_a_person_and_batch"
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("kind", "stat_unread"), ("read_at", None)),
                                fields=("recipient",),
                                name="one_unread_of_stat_studies",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(
                                    (
                                        "kind__in",
                                        ["studies_assigned", "studies_signed", "reports_ready"],
                                    ),
                                    ("read_at", None),
                                ),
                                fields=("recipient", "kind"),
                                name="one_unread_of_a_counted_kind",
                            ),
                            models.UniqueConstraint(
                                fields=("recipient", "kind", "study"),
                                name="one_a_person_kind_and_study",
                            ),
                            models.UniqueConstraint(
                                fields=("recipient", "correction"),
                                name="one_a_person_and_correction",
                            ),
                            models.UniqueConstraint(
                                fields=("recipient", "alert"), name="one_a_person_and_alert"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("alert", None),
                                        ("batch__isnull", False),
                                        ("kind", "batch_done"),
                                        ("studies", 0),
                                        ("study", None),
                                        ("waiting_since", None),
                                    ),
                                    models.Q(
                                        ("alert", None),
                                        ("batch", None),
                                        ("kind", "stat_unread"),
                                        ("studies__gte", 1),
                                        ("study", None),
                                        ("waiting_since__isnull", False),
                                    ),
                                    models.Q(
                                        ("alert", None),
                                        ("batch", None),
                                        ("counted_until__isnull", False),
                                        (
                                            "kind__in",
                                            ["studies_assigned", "studies_signed", "reports_ready"],
                                        ),
                                        ("studies__gte", 1),
                                        ("study", None),
                                    ),
                                    models.Q(
                                        ("alert", None),
                                        ("batch", None),
                                        ("kind", "identity_corrected"),
                                        ("study", None),
                                    ),
                                    models.Q(
                                        ("alert", None),
                                        ("batch", None),
                                        ("kind", "read_overruled"),
                                        ("study__isnull", False),
                                    ),
                                    models.Q(
                                        ("alert__isnull", False),
                                        ("batch", None),
                                        ("kind", "system_alert"),
                                        ("study", None),
                                    ),
                                    models.Q(
                                        ("alert", None),
                                        ("batch", None),
                                        (
                                            "kind__in",
                                            [
                                                "password_reset",
                                                "factor_added",
                                                "factor_removed",
                                                "factor_reset",
                                                "emergency",
                                                "emergency_overdue",
                                            ],
                                        ),
                                        ("study", None),
                                    ),
                                    _connector="OR",
                                ),
                                name="notification_names_its_thing",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("correction__isnull", False),
                                        ("kind", "identity_corrected"),
                                    ),
                                    models.Q(
                                        models.Q(("kind", "identity_corrected"), _negated=True),
                                        ("correction", None),
                                    ),
                                    _connector="OR",
                                ),
                                name="notification_names_its_correction",
                            ),
                            models.UniqueConstraint(
                                fields=("recipient", "kind", "emergency"),
                                name="one_a_person_kind_and_emergency",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("emergency__isnull", False),
                                        ("kind__in", ["emergency", "emergency_overdue"]),
                                    ),
                                    models.Q(
                                        models.Q(
                                            ("kind__in", ["emergency", "emergency_overdue"]),
                                            _negated=True,
                                        ),
                                        ("emergency", None),
                                    ),
                                    _connector="OR",
                                ),
                                name="notification_names_its_emergency",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("mail_due_at__isnull", False),
                                        ("mail_state", "due"),
                                        ("mailed_at", None),
                                    ),
                                    models.Q(
                                        ("mail_due_at", None),
                                        ("mail_state", "sent"),
                                        ("mailed_at__isnull", False),
                                    ),
                                    models.Q(
                                        ("mail_due_at", None),
                                        ("mail_state__in", ["none", "failed"]),
                                        ("mailed_at", None),
                                    ),
                                    _connector="OR",
                                ),
                                name="notification_mail_state",
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
