"""Whether a result is that for a child's or an adult's image."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("inference", "0019_worker_measured")]

    operations = [
        migrations.AddField(
            model_name="prediction",
            name="assessed_as",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text=(
                    "'child' or 'adult', by the image, where the version assesses these"
                    " differently; '' where it does not, or not assessable."
                ),
                max_length=5,
            ),
        ),
    ]
