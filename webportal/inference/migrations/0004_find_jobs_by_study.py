import django.db.models.deletion
from django.db import migrations, models

FILL = """
UPDATE inference_job AS job SET study_id = radiograph.study_id
FROM records_radiograph AS radiograph WHERE radiograph.id = job.radiograph_id;
-- The foreign key is checked at the end of the transaction otherwise, and until then the table
-- cannot be altered.
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0003_pattern_correction_and_activation"),
        ("records", "0003_words_of_a_study"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="study",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="records.study",
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="job",
            name="study",
            field=models.ForeignKey(
                db_index=False,
                help_text=(
                    "The radiograph's, which never changes; here so that an index finds it by state."
                ),
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="records.study",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(
                    ("state__in", ["queued", "running", "quarantined", "cancelled"])
                ),
                fields=["state", "study"],
                name="job_study",
            ),
        ),
    ]
