from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("intake", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="uploaditem",
            name="verdict",
            field=models.CharField(
                choices=[
                    ("accepted", "Accepted"),
                    ("duplicate", "Already stored"),
                    ("held", "Held: awaiting a decision"),
                    ("refused", "Refused"),
                    ("discarded", "Discarded after review"),
                ],
                max_length=10,
            ),
        ),
    ]
