"""Have results whose view was not known judged anew: the rule knows more words for side views.

`manage.py prepare` judges what is not judged, right after the migrations.
"""

from django.db import migrations

UNKNOWN_VIEWS = """
UPDATE inference_prediction SET purpose = '' WHERE purpose_reasons::text LIKE '%"view_word"%'
"""


class Migration(migrations.Migration):
    dependencies = [("inference", "0016_oldest_protocol")]

    operations = [migrations.RunSQL(UNKNOWN_VIEWS, migrations.RunSQL.noop)]
