"""Have every result judged anew: the rule knows more views, half chests and undated infants.

`manage.py prepare` judges what is not judged, right after the migrations.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("inference", "0006_analysis_failed")]

    operations = [
        migrations.RunSQL("UPDATE inference_prediction SET purpose = ''", migrations.RunSQL.noop)
    ]
