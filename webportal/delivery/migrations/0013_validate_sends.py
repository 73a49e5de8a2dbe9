from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0012_presentation_states"),
    ]

    operations = [
        ValidateConstraint(model_name="destination", name="destination_sends"),
    ]
