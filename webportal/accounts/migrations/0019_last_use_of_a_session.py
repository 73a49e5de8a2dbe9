from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0018_accounts_of_systems"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="used_at",
            field=models.DateTimeField(
                db_default=Now(), help_text="When a request last came, to within half a minute."
            ),
        ),
    ]
