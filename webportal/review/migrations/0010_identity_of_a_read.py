"""A signed read records whom the reader took the patient to be."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("review", "0009_default_view"),
    ]

    operations = [
        migrations.AddField(
            model_name="read",
            name="identity",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="Under which identity it was signed, as `shown_identity` in"
                " webportal.records.identity has it; empty in a draft and in earlier reads.",
            ),
        ),
    ]
