from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0018_judge_by_series_descriptions"),
    ]

    operations = [
        migrations.AddField(
            model_name="worker",
            name="measured",
            field=models.JSONField(
                blank=True,
                db_default={},
                default=dict,
                help_text="Its histograms since it started, see webportal.inference.worker_metrics.",
            ),
        ),
    ]
