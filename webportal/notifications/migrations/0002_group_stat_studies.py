"""One notification of all stat studies that wait, in place of one for each study."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import F, OuterRef, Subquery
from django.utils import timezone


def group(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Keep one unread notification a person; the next run of the scheduler gives it its numbers."""
    notifications = apps.get_model("notifications", "Notification").objects.using(
        schema_editor.connection.alias
    )
    told = notifications.filter(kind="stat_unread")
    told.update(waiting_since=F("created_at"), studies=1)
    unread = told.filter(read_at=None)
    newest = unread.filter(recipient=OuterRef("recipient")).order_by("-created_at", "-id")
    others = unread.exclude(pk=Subquery(newest.values("pk")[:1]))
    others.filter(mail_state="due").update(mail_state="none", mail_due_at=None)
    others.update(read_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]

    operations = [
        migrations.RemoveConstraint("notification", "one_a_person_and_study"),
        migrations.RemoveConstraint("notification", "notification_names_its_thing"),
        migrations.AddField(
            "notification",
            "studies",
            models.PositiveIntegerField(default=0, help_text="How many stat studies wait."),
        ),
        migrations.AddField(
            "notification",
            "waiting_since",
            models.DateTimeField(
                blank=True, help_text="Since when the first of them has been waiting.", null=True
            ),
        ),
        migrations.AddField(
            "notification",
            "category",
            models.CharField(
                blank=True,
                choices=[
                    ("likely", "Pneumonia likely"),
                    ("indeterminate", "Indeterminate"),
                    ("unlikely", "Pneumonia unlikely"),
                    ("not_assessable", "Not assessable"),
                ],
                help_text="The result that all of them have; empty where it is not to be told.",
                max_length=20,
            ),
        ),
        migrations.RunPython(group),
    ]
