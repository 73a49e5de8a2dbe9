from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("research", "0002_images_with_text"),
    ]

    operations = [
        migrations.AddField(
            model_name="researchexport",
            name="sha256",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="Of the file.", max_length=64
            ),
        ),
    ]
