"""Removes what was queued for priors before they were exempt from analysis.

Removed, not cancelled: a cancelled job counts as an analysis that failed, and an image without a job
is analysed once its study is put on the worklist.
"""

from django.db import migrations

NO_JOBS_OF_PRIORS = """
DELETE FROM inference_job AS job USING records_study AS study
WHERE job.state = 'queued' AND study.id = job.study_id AND study.reading_state = 'prior'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0013_job_traceparent"),
        ("records", "0017_priors"),
    ]

    operations = [migrations.RunSQL(NO_JOBS_OF_PRIORS, migrations.RunSQL.noop)]
