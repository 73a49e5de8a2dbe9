"""Have results whose view was not known judged anew: the rule knows more words for side views.

`manage.py prepare` judges what is not judged, right after the migrations. Until then a result without
a verdict is shown and sent as it is: those that are not shown keep theirs, which no further word makes
less strict.
"""

from django.db import migrations

UNKNOWN_VIEWS = """
UPDATE inference_prediction SET purpose = ''
WHERE purpose NOT IN ('outside', 'withheld') AND purpose_reasons::text LIKE '%"view_word"%'
"""


class Migration(migrations.Migration):
    dependencies = [("inference", "0016_oldest_protocol")]

    operations = [migrations.RunSQL(UNKNOWN_VIEWS, migrations.RunSQL.noop)]
