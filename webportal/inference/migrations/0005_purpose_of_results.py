"""Whether a result is within its model's purpose; figures of images that chose nothing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0004_find_jobs_by_study"),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="independent_figures",
            field=models.JSONField(
                default=list,
                help_text="Figures from images that took no part in making it; see ml.serving.package.",
            ),
        ),
        migrations.AddField(
            model_name="prediction",
            name="purpose",
            field=models.CharField(
                blank=True,
                choices=[
                    ("within", "Within the model’s purpose"),
                    ("unconfirmed", "Not known whether it is within the model’s purpose"),
                    ("outside", "Outside the model’s purpose"),
                    ("withheld", "Outside the model’s purpose, and withheld"),
                ],
                help_text="Whether the version was made for such an image; '' where it has not been judged yet. Written by webportal.inference alone, and anew when birth date or study date change.",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="prediction",
            name="purpose_reasons",
            field=models.JSONField(
                default=list,
                help_text="Why not plainly so: pairs of a code and values, the gravest first.",
            ),
        ),
        migrations.AlterField(
            model_name="modelversion",
            name="population",
            field=models.JSONField(
                default=dict,
                help_text="What it was made for (ages, views), and the prevalence it was calibrated on.",
            ),
        ),
        migrations.AlterField(
            model_name="prediction",
            name="category",
            field=models.CharField(
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
    ]
