"""Which images were on a reader's screen.

It starts empty: what the trail says of views goes back to a time when sending counted as one.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("records", "0006_sort_by_the_name_that_is_shown"),
        ("review", "0012_protect_amendments"),
    ]

    operations = [
        migrations.CreateModel(
            name="ImageView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("first_at", models.DateTimeField()),
                (
                    "radiograph",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="views",
                        to="records.radiograph",
                    ),
                ),
                (
                    "reader",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="image_views",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["first_at"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("reader", "radiograph"), name="one_first_view_per_reader_and_image"
                    )
                ],
            },
        ),
    ]
