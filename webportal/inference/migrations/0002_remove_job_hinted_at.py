"""Hints are not recorded: one too many does no harm, and the sweep sends what went missing."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("inference", "0001_initial")]

    operations = [migrations.RemoveField(model_name="job", name="hinted_at")]
