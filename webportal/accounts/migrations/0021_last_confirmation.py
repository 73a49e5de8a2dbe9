from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0020_locks_of_sessions"),
    ]

    operations = [
        migrations.AddField(
            model_name="federatedidentity",
            name="confirmed_at",
            field=models.DateTimeField(
                db_default=Now(),
                help_text="When provider or directory last gave the user's groups.",
            ),
        ),
    ]
