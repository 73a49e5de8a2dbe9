from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

from webportal.database.indexes import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("delivery", "0008_confirmations"),
    ]

    operations = [
        ValidateConstraint(model_name="delivery", name="delivery_settled"),
        AddIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "stored")),
                fields=["destination", "next_attempt_at"],
                name="delivery_to_confirm",
            ),
        ),
        AddIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("confirmation__isnull", False)),
                fields=["confirmation"],
                name="delivery_confirmation",
            ),
        ),
    ]
