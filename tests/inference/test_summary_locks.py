"""Writing results back and adding images do not wait for each other at the study's row."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from tests.inference.cases import queued
from webportal.inference.summary import refresh_summaries
from webportal.records.models import Study


def reference(study: Study) -> None:
    """Take the lock that a new radiograph of the study takes when it is committed."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT FROM records_study WHERE id = %s FOR KEY SHARE NOWAIT", [study.pk]
            )
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_an_image_can_be_added_while_the_studys_summary_is_written() -> None:
    (job,) = queued()
    study = job.radiograph.study
    with ThreadPoolExecutor(1) as other, transaction.atomic():
        refresh_summaries([study.pk])
        # Waiting here, while intake holds the end of the audit trail, would be a deadlock.
        other.submit(reference, study).result(timeout=20)
