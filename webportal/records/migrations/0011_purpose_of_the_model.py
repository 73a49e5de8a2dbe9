"""What headers say of view, body part and age; whether a result is within its model's purpose."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0010_referrer"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="study",
            name="study_concern_matches_category",
        ),
        migrations.AddField(
            model_name="radiograph",
            name="body_part",
            field=models.CharField(blank=True, max_length=64, verbose_name="Body Part Examined"),
        ),
        migrations.AddField(
            model_name="radiograph",
            name="codes",
            field=models.JSONField(
                default=list,
                help_text="Codes of view, view modifier, region and procedure: objects with `of`, `value`, `scheme` and `meaning`.",
            ),
        ),
        migrations.AddField(
            model_name="radiograph",
            name="laterality",
            field=models.CharField(blank=True, max_length=16, verbose_name="Image Laterality"),
        ),
        migrations.AddField(
            model_name="radiograph",
            name="patient_age",
            field=models.CharField(blank=True, max_length=16, verbose_name="Patient's Age"),
        ),
        migrations.AddField(
            model_name="study",
            name="images_differ",
            field=models.BooleanField(
                default=False,
                help_text="Whether the model says of one image other than of another.",
            ),
        ),
        migrations.AddField(
            model_name="study",
            name="images_withheld",
            field=models.PositiveSmallIntegerField(
                default=0,
                help_text="How many images beside those that count the model was not made for.",
            ),
        ),
        migrations.AddField(
            model_name="study",
            name="purpose",
            field=models.CharField(
                blank=True,
                choices=[
                    ("within", "Within the model’s purpose"),
                    ("unconfirmed", "Not known whether it is within the model’s purpose"),
                    ("outside", "Outside the model’s purpose"),
                    ("withheld", "Outside the model’s purpose, and withheld"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="study",
            name="purpose_reasons",
            field=models.JSONField(
                default=list, help_text="As those of the result that counts; see Prediction."
            ),
        ),
        migrations.AlterField(
            model_name="radiograph",
            name="view_position",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AlterField(
            model_name="study",
            name="category",
            field=models.CharField(
                blank=True,
                choices=[
                    ("likely", "Pneumonia likely"),
                    ("indeterminate", "Indeterminate"),
                    ("unlikely", "Pneumonia unlikely"),
                    ("not_assessable", "Not assessable"),
                    ("outside_purpose", "Outside its purpose"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="study",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("category", ""), ("concern", 4), ("probability", None)),
                    models.Q(
                        ("category", "likely"), ("concern", 0), ("probability__isnull", False)
                    ),
                    models.Q(
                        ("category", "indeterminate"),
                        ("concern", 1),
                        ("probability__isnull", False),
                    ),
                    models.Q(
                        ("category", "unlikely"), ("concern", 3), ("probability__isnull", False)
                    ),
                    models.Q(
                        ("category__in", ["not_assessable", "outside_purpose"]),
                        ("concern", 2),
                        ("probability", None),
                    ),
                    _connector="OR",
                ),
                name="study_concern_matches_category",
            ),
        ),
    ]
