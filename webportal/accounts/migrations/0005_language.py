"""The language that a person chose in the page is kept with the person too, for their e-mail."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_user_name_whatever_case")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Chosen in the page last, for what reaches the person elsewhere; ''"
                " when never.",
                max_length=10,
            ),
        ),
    ]
