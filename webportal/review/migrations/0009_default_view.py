"""The worklist may open with a saved view."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("review", "0008_find_second_reads"),
    ]

    operations = [
        migrations.AlterField(
            model_name="worklistpreference",
            name="columns",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=20),
                default=list,
                help_text="Empty for the usual ones.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="worklistpreference",
            name="default_view",
            field=models.ForeignKey(
                blank=True,
                help_text="What the worklist opens with, as long as this person may open it.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="review.savedview",
            ),
        ),
    ]
