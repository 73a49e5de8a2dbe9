import django.contrib.auth.validators
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import uuid
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from webportal.accounts.models import GENERAL
from webportal.database.creation import CreateModels


def add_general(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Add the department "General", to which everybody belongs until there are others."""
    apps.get_model("accounts", "Department").objects.create(pk=GENERAL, name="General")


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("accounts", "0001_initial"),
        ("accounts", "0002_password_attempts"),
        ("accounts", "0003_coordinator"),
        ("accounts", "0004_user_name_whatever_case"),
        ("accounts", "0005_language"),
        ("accounts", "0006_referring_clinician"),
        ("accounts", "0007_attempts_by_place"),
        ("accounts", "0008_sessions_and_tokens"),
        ("accounts", "0009_one_time_passwords_expire"),
        ("accounts", "0010_second_factors"),
        ("accounts", "0011_nodes"),
        ("accounts", "0012_identity_provider"),
        ("accounts", "0013_token_scope"),
        ("accounts", "0014_departments"),
        ("accounts", "0015_general_department"),
        ("accounts", "0016_directory"),
        ("accounts", "0017_researcher"),
        ("accounts", "0018_accounts_of_systems"),
        ("accounts", "0019_last_use_of_a_session"),
        ("accounts", "0020_locks_of_sessions"),
        ("accounts", "0021_last_confirmation"),
    ]

    dependencies = []

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name="User",
                    fields=[
                        ("password", models.CharField(max_length=128, verbose_name="password")),
                        (
                            "last_login",
                            models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                        ),
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
                            "username",
                            models.CharField(
                                error_messages={"unique": "There is already a user of that name."},
                                max_length=150,
                                unique=True,
                                validators=[
                                    django.contrib.auth.validators.UnicodeUsernameValidator()
                                ],
                                verbose_name="user name",
                            ),
                        ),
                        ("full_name", models.CharField(blank=True, max_length=150)),
                        ("email", models.EmailField(blank=True, max_length=254)),
                        (
                            "roles",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(
                                    choices=[
                                        ("uploader", "Uploader"),
                                        ("radiologist", "Radiologist"),
                                        ("it", "Hospital IT"),
                                        ("auditor", "Auditor"),
                                        ("coordinator", "Worklist coordinator"),
                                        ("referrer", "Referring clinician"),
                                        ("researcher", "Researcher"),
                                    ],
                                    max_length=20,
                                ),
                                default=list,
                                size=None,
                            ),
                        ),
                        ("is_active", models.BooleanField(default=True)),
                        ("must_change_password", models.BooleanField(default=False)),
                        (
                            "one_time_password_until",
                            models.DateTimeField(
                                blank=True,
                                help_text="Empty where there is none, or one without an end.",
                                null=True,
                            ),
                        ),
                        (
                            "language",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Chosen in the page last, for what reaches the person elsewhere; '' when never.",
                                max_length=10,
                            ),
                        ),
                        (
                            "is_node",
                            models.BooleanField(
                                default=False,
                                help_text="Stands for a system that sends: a DICOM node or a source of HL7 orders. Has no password and no role.",
                            ),
                        ),
                        (
                            "sees_all_departments",
                            models.BooleanField(
                                default=False, help_text="Also those that are added later."
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ["username"],
                    },
                ),
                migrations.CreateModel(
                    name="UsedLogoutToken",
                    fields=[
                        (
                            "jti",
                            models.CharField(max_length=255, primary_key=True, serialize=False),
                        ),
                        ("until", models.DateTimeField(db_index=True)),
                    ],
                ),
                migrations.CreateModel(
                    name="Authenticator",
                    fields=[
                        (
                            "user",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="authenticator",
                                serialize=False,
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "secret",
                            models.TextField(
                                help_text="Encrypted; see webportal.accounts.encryption."
                            ),
                        ),
                        (
                            "last_step",
                            models.BigIntegerField(
                                default=0,
                                help_text="The period of the last code that was used: none is good twice.",
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("used_at", models.DateTimeField(blank=True, null=True)),
                    ],
                ),
                migrations.CreateModel(
                    name="Department",
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
                        ("name", models.CharField(max_length=100, verbose_name="name")),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ["name"],
                        "constraints": [
                            models.UniqueConstraint(
                                django.db.models.functions.text.Lower("name"),
                                name="department_name_whatever_case",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("name", ""), _negated=True),
                                name="department_has_name",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Membership",
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
                        ("is_head", models.BooleanField(default=False)),
                        (
                            "department",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="memberships",
                                to="accounts.department",
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="memberships",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("user", "department"), name="once_in_a_department"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Passkey",
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
                        ("credential_id", models.BinaryField(unique=True)),
                        (
                            "credential",
                            models.BinaryField(
                                help_text="Attested credential data, with the public key."
                            ),
                        ),
                        ("sign_count", models.PositiveBigIntegerField(default=0)),
                        (
                            "domain",
                            models.CharField(
                                help_text="The host name for which the browser made it, and no other.",
                                max_length=253,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("used_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="passkeys",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["created_at"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("name", ""), _negated=True),
                                name="passkey_has_name",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PasswordAttempt",
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
                        ("name_digest", models.CharField(db_index=True, max_length=64)),
                        (
                            "key_digest",
                            models.CharField(
                                help_text="What it counts for: a name, an address, or both together.",
                                max_length=64,
                            ),
                        ),
                        ("at", models.DateTimeField(db_index=True)),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["key_digest", "at"], name="password_attempts")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="RecoveryCode",
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
                        ("digest", models.CharField(max_length=64)),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="recovery_codes",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("user", "digest"), name="one_row_a_recovery_code"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Session",
                    fields=[
                        (
                            "session_key",
                            models.CharField(
                                max_length=40,
                                primary_key=True,
                                serialize=False,
                                verbose_name="session key",
                            ),
                        ),
                        ("session_data", models.TextField(verbose_name="session data")),
                        (
                            "expire_date",
                            models.DateTimeField(db_index=True, verbose_name="expire date"),
                        ),
                        (
                            "provider_sid",
                            models.CharField(
                                blank=True,
                                db_index=True,
                                default="",
                                help_text="What the identity provider calls the session in which this one began.",
                                max_length=255,
                            ),
                        ),
                        (
                            "used_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(),
                                help_text="When a person last used it, to within half a minute.",
                            ),
                        ),
                        (
                            "locked_at",
                            models.DateTimeField(
                                blank=True,
                                help_text="Since when it is locked; empty while it is open.",
                                null=True,
                            ),
                        ),
                        (
                            "unlocked_at",
                            models.DateTimeField(
                                blank=True, help_text="When it was last unlocked.", null=True
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "session",
                        "verbose_name_plural": "sessions",
                        "abstract": False,
                    },
                ),
                migrations.CreateModel(
                    name="FederatedIdentity",
                    fields=[
                        (
                            "user",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="federated_identity",
                                serialize=False,
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("issuer", models.CharField(max_length=255)),
                        ("subject", models.CharField(max_length=255)),
                        (
                            "refresh_at",
                            models.DateTimeField(
                                blank=True,
                                help_text="When to ask the directory again; no provider is.",
                                null=True,
                            ),
                        ),
                        (
                            "confirmed_at",
                            models.DateTimeField(
                                db_default=django.db.models.functions.datetime.Now(),
                                help_text="When provider or directory last gave the user's groups.",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("issuer", "subject"), name="one_person_a_subject"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ApiToken",
                    fields=[
                        (
                            "digest",
                            models.CharField(max_length=128, primary_key=True, serialize=False),
                        ),
                        ("token_key", models.CharField(db_index=True, max_length=25)),
                        ("created", models.DateTimeField(auto_now_add=True)),
                        ("expiry", models.DateTimeField(blank=True, null=True)),
                        ("name", models.CharField(help_text="What uses it.", max_length=100)),
                        ("used_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "scope",
                            models.CharField(
                                choices=[
                                    ("read", "Read only"),
                                    ("upload", "Upload only"),
                                    ("all", "Everything you are allowed to do"),
                                ],
                                db_default="all",
                                default="all",
                                max_length=10,
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="auth_token_set",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("scope__in", ["read", "upload", "all"])),
                                name="api_token_scope_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("name", ""), _negated=True),
                                name="api_token_has_name",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("expiry__isnull", False)),
                                name="api_token_expires",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="KnownDevice",
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
                        ("device_digest", models.CharField(max_length=64)),
                        ("used_at", models.DateTimeField(db_index=True)),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("user", "device_digest"), name="one_row_a_device"
                            )
                        ],
                    },
                ),
            ],
        ),
        migrations.AddField(
            model_name="user",
            name="departments",
            field=models.ManyToManyField(
                blank=True,
                related_name="people",
                through="accounts.Membership",
                to="accounts.department",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "roles__contained_by",
                        [
                            "uploader",
                            "radiologist",
                            "it",
                            "auditor",
                            "coordinator",
                            "referrer",
                            "researcher",
                        ],
                    )
                ),
                name="user_roles_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("username", ""), _negated=True), name="user_name_not_empty"
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_node", False), ("roles", []), _connector="OR"),
                name="node_has_no_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("username"), name="user_name_whatever_case"
            ),
        ),
        migrations.RunPython(add_general, migrations.RunPython.noop),
    ]
