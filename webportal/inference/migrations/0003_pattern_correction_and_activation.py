import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0002_remove_job_hinted_at"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="activated_at",
            field=models.DateTimeField(
                blank=True, help_text="When it last became the active version.", null=True
            ),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="activated_by",
            field=models.ForeignKey(
                blank=True,
                help_text="Who activated it last; null when the installation did.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="population",
            field=models.JSONField(
                default=dict,
                help_text="What its probability presumes: the prevalence it was calibrated on.",
            ),
        ),
        migrations.AddField(
            model_name="prediction",
            name="bacterial_probability",
            field=models.FloatField(
                help_text="Calibrated probability, 0 to 1, that a pneumonia, if it is one, is of the bacterial rather than the viral pattern; null if the version does not tell, or not assessable.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="prediction",
            name="correction",
            field=models.CharField(
                blank=True,
                help_text="What was done to the picture before it was assessed: codes joined by '+'; the heat map lies on the picture as it came.",
                max_length=60,
            ),
        ),
        migrations.AddConstraint(
            model_name="prediction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("bacterial_probability", None),
                    models.Q(
                        ("bacterial_probability__gte", 0.0),
                        ("bacterial_probability__lte", 1.0),
                        models.Q(("category", "not_assessable"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="prediction_pattern",
            ),
        ),
        # When a version became active was not kept until now; its registration comes close.
        migrations.RunSQL(
            "UPDATE inference_modelversion SET activated_at = registered_at WHERE is_active",
            migrations.RunSQL.noop,
        ),
    ]
