from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0012_worker_loading"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="traceparent",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The request that queued it, for OpenTelemetry (W3C Trace Context).",
                max_length=55,
            ),
        ),
    ]
