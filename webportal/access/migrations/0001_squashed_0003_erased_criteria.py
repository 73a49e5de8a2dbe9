import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.functions.datetime
import webportal.access.models
from django.db import migrations, models

from webportal.access.migrations._triggers import CREATE, DROP


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("access", "0001_initial"),
        ("access", "0002_append_only"),
        ("access", "0003_erased_criteria"),
    ]

    dependencies = [
        ("audit", "0016_erased_details"),
    ]

    operations = [
        migrations.CreateModel(
            name="AccessEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("kind", models.CharField(choices=webportal.access.models.kinds, max_length=20)),
                (
                    "outcome",
                    models.CharField(
                        choices=[("done", "Done"), ("refused", "Refused"), ("failed", "Failed")],
                        max_length=10,
                    ),
                ),
                ("user_id", models.UUIDField(null=True)),
                (
                    "user",
                    models.CharField(
                        help_text="The user name, or `unknown` or `system`.", max_length=150
                    ),
                ),
                (
                    "roles",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20),
                        help_text="Those of the person that opened it.",
                        size=None,
                    ),
                ),
                ("address", models.CharField(blank=True, max_length=45)),
                (
                    "device",
                    models.CharField(blank=True, help_text="The user agent.", max_length=200),
                ),
                ("session", models.CharField(blank=True, max_length=16)),
                ("token", models.CharField(blank=True, max_length=120)),
                ("method", models.CharField(blank=True, max_length=10)),
                (
                    "route",
                    models.CharField(
                        blank=True, help_text="The name of the URL pattern.", max_length=80
                    ),
                ),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("target", models.UUIDField(help_text="The id in the address.", null=True)),
                (
                    "study_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), size=None
                    ),
                ),
                (
                    "patient_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), size=None
                    ),
                ),
                (
                    "file_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(),
                        help_text="Files of uploads that are no images yet.",
                        size=None,
                    ),
                ),
                (
                    "criteria",
                    models.JSONField(default=dict, help_text="What was searched or filtered by."),
                ),
            ],
            options={
                "verbose_name_plural": "access entries",
                "ordering": ["-id"],
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["study_ids"], name="access_studies"
                    ),
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["patient_ids"], name="access_patients"
                    ),
                    django.contrib.postgres.indexes.GinIndex(
                        condition=models.Q(("file_ids", []), _negated=True),
                        fields=["file_ids"],
                        name="access_files",
                    ),
                    django.contrib.postgres.indexes.BrinIndex(
                        autosummarize=True, fields=["at"], name="access_at"
                    ),
                    models.Index(fields=["user", "id"], name="access_user"),
                    models.Index(fields=["address", "id"], name="access_address"),
                    models.Index(
                        condition=models.Q(("outcome", "done"), _negated=True),
                        fields=["target", "id"],
                        name="access_refused",
                    ),
                ],
            },
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
