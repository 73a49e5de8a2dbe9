"""Places on the images become part of a read."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("review", "0005_reading_preference"),
    ]

    operations = [
        migrations.AddField(
            model_name="read",
            name="marks",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Places on the images, as `Mark.as_json` in `marks` writes them.",
            ),
        ),
    ]
