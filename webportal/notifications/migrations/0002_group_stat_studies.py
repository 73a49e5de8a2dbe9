"""One notification of all stat studies that wait, in place of one for each study."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import F, OuterRef, Q, Subquery
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
        migrations.AddField("notification", "studies", models.PositiveIntegerField(default=0)),
        migrations.AddField(
            "notification", "waiting_since", models.DateTimeField(blank=True, null=True)
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
                max_length=20,
            ),
        ),
        migrations.RunPython(group),
        migrations.RemoveField("notification", "study"),
        migrations.AddConstraint(
            "notification",
            models.UniqueConstraint(
                condition=Q(kind="stat_unread", read_at=None),
                fields=("recipient",),
                name="one_unread_of_stat_studies",
            ),
        ),
        migrations.AddConstraint(
            "notification",
            models.CheckConstraint(
                condition=Q(kind="batch_done", batch__isnull=False, studies=0, waiting_since=None)
                | Q(
                    kind="stat_unread",
                    batch=None,
                    studies__gte=1,
                    waiting_since__isnull=False,
                ),
                name="notification_names_its_thing",
            ),
        ),
    ]
