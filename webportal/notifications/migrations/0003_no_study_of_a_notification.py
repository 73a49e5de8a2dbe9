"""A notification names no study any more, and only one of stat studies a person is unread.

Apart from the one before: PostgreSQL changes no table whose rows the same transaction has changed.
"""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("notifications", "0002_group_stat_studies")]

    operations = [
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
