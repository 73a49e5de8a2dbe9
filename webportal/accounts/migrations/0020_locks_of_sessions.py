from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0019_last_use_of_a_session"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="locked_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Since when it is locked; empty while it is open.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="unlocked_at",
            field=models.DateTimeField(
                blank=True, help_text="When it was last unlocked.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="session",
            name="used_at",
            field=models.DateTimeField(
                db_default=Now(),
                help_text="When a person last used it, to within half a minute.",
            ),
        ),
    ]
