from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0015_rejudged"),
    ]

    operations = [
        migrations.CreateModel(
            name="OldestProtocol",
            fields=[
                ("protocol", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
            ],
        ),
    ]
