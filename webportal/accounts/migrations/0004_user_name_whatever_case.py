"""User names that differ only by case are one name."""

from typing import Any

import django.db.models.functions.text
from django.db import migrations, models


def refuse_names_alike(apps: Any, schema_editor: Any) -> None:
    """Say which names are in the way, instead of failing with an index's name."""
    names: dict[str, list[str]] = {}
    for name in apps.get_model("accounts", "User").objects.values_list("username", flat=True):
        names.setdefault(name.lower(), []).append(name)
    alike = [" and ".join(sorted(group)) for group in names.values() if len(group) > 1]
    if alike:
        raise RuntimeError(
            "These user names differ only by case: "
            + "; ".join(sorted(alike))
            + ". Rename all but one of each (UPDATE accounts_user SET username = ...), tell the "
            "people, and start the upgrade again."
        )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_coordinator")]

    operations = [
        migrations.RunPython(refuse_names_alike, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("username"),
                name="user_name_whatever_case",
            ),
        ),
    ]
