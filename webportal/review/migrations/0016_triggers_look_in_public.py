from django.db import migrations

from webportal.review.migrations._search_path import LOOK_IN_PUBLIC


class Migration(migrations.Migration):
    dependencies = [("review", "0015_erased_reads")]

    operations = LOOK_IN_PUBLIC
