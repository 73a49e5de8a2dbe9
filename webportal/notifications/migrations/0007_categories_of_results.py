"""A category of results more; see records."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0006_reports_ready"),
    ]

    operations = [
        migrations.AlterField(
            model_name="notification",
            name="category",
            field=models.CharField(
                blank=True,
                choices=[
                    ("likely", "Pneumonia likely"),
                    ("indeterminate", "Indeterminate"),
                    ("unlikely", "Pneumonia unlikely"),
                    ("not_assessable", "Not assessable"),
                    ("outside_purpose", "Outside its purpose"),
                ],
                help_text="The result that all of them have; empty where it is not to be told.",
                max_length=20,
            ),
        ),
    ]
