from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("review", "0007_keyboard_shortcuts")]

    operations = [
        migrations.AddIndex(
            model_name="secondreading",
            index=models.Index(
                condition=models.Q(("due", "second")), fields=["study"], name="second_read_due"
            ),
        ),
    ]
