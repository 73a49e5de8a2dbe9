from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("notifications", "0013_role_requests")]

    operations = [
        ValidateConstraint("mailchoice", "mail_kinds_known"),
        ValidateConstraint("notification", "notification_names_its_thing"),
        ValidateConstraint("notification", "notification_names_its_request"),
    ]
