from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0017_named_key"),
    ]

    operations = [
        migrations.AlterField(
            model_name="verification",
            name="total",
            field=models.BigIntegerField(default=0, help_text="Entries and records in all."),
        ),
    ]
