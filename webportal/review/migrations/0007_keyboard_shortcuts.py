"""Readers may switch the keys off that are single characters."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("review", "0006_marks_on_images"),
    ]

    operations = [
        migrations.AddField(
            model_name="readingpreference",
            name="has_shortcuts",
            field=models.BooleanField(
                default=True,
                help_text="Single characters typed on the keyboard act in the worklist and the viewer.",
            ),
        ),
    ]
