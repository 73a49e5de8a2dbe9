"""Have results judged anew whose series is described, of images whose descriptions were not read.

`manage.py prepare` judges what is not judged, right after the migrations. Until then a result without
a verdict is shown and sent as it is: those that are not shown keep theirs, which no description of a
series makes less strict.
"""

from django.db import migrations

DESCRIBED_BY_SERIES = """
UPDATE inference_prediction SET purpose = ''
WHERE purpose NOT IN ('outside', 'withheld') AND radiograph_id IN (
    SELECT image.id FROM records_radiograph AS image
    JOIN records_series AS series ON series.id = image.series_id
    WHERE series.description <> '' AND NOT image.codes @> '[{"of": "described"}]'::jsonb
)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0017_judge_unknown_views_anew"),
        ("records", "0016_series_of_every_image"),
    ]

    operations = [migrations.RunSQL(DESCRIBED_BY_SERIES, migrations.RunSQL.noop)]
