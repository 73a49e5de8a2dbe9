from django.db import migrations, models

from webportal.audit.migrations._key import CREATE, DROP


class Migration(migrations.Migration):
    dependencies = [("audit", "0016_erased_details")]

    operations = [
        migrations.AddField(
            model_name="chainhead",
            name="key_id",
            field=models.CharField(
                blank=True,
                default="",
                db_default="",
                help_text="The key that the chain goes on with; empty before an entry of this release.",
                max_length=16,
            ),
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
