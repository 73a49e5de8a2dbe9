from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0017_researcher"),
    ]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="is_node",
            field=models.BooleanField(
                default=False,
                help_text="Stands for a system that sends: a DICOM node or a source of HL7 orders."
                " Has no password and no role.",
            ),
        ),
    ]
