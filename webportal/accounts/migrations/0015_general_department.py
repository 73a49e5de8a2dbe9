"""The department "General", to which everybody belongs until there are others."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from webportal.accounts.models import GENERAL


def add_general(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    department = apps.get_model("accounts", "Department")
    general = department.objects.create(pk=GENERAL, name="General")
    membership = apps.get_model("accounts", "Membership")
    people = apps.get_model("accounts", "User").objects.filter(is_node=False)
    membership.objects.bulk_create(
        (membership(user=person, department=general) for person in people), batch_size=1000
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0014_departments")]

    operations = [migrations.RunPython(add_general, migrations.RunPython.noop)]
