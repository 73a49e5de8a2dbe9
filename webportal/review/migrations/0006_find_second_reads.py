from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("review", "0005_reading_preference")]

    operations = [
        migrations.AddIndex(
            model_name="secondreading",
            index=models.Index(
                condition=models.Q(("due", "second")), fields=["study"], name="second_read_due"
            ),
        ),
    ]
