"""Measurements that are kept with a read."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("review", "0013_images_viewed")]

    operations = [
        migrations.AddField(
            model_name="read",
            name="measurements",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Lengths, angles and areas, as `measured` in `measurements` writes them.",
            ),
        ),
    ]
