"""Reads signed before zones and second readers existed are migrated unchanged."""

import pytest
from django.core.management import call_command
from django.db import connection

from tests.conftest import PASSWORD
from tests.factories import make_prediction
from tests.migrating import migrate_originals
from tests.reading import sign
from webportal.accounts.models import User
from webportal.audit.verification import verify
from webportal.review.models import Read
from webportal.review.reads.services import Entry


@pytest.mark.django_db(transaction=True)
def test_signed_reads_and_drafts_survive_the_migration(radiologist: User) -> None:
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study
    migrate_originals(("review", "0002_signed_reads_stay"))
    insert = """INSERT INTO review_read (id, study_id, reader_id, prediction_id, state, decision,
        pneumonia, other_findings, comment, created_at, updated_at, signed_at)
        VALUES (gen_random_uuid(), %s, %s, %s, %s, 'overrule', 'none', '{effusion}', 'A fold.',
        now(), now(), %s)"""
    with connection.cursor() as cursor:
        for state, signed_at in (("signed", "2026-01-01T00:00Z"), ("draft", None)):
            cursor.execute(insert, [study.pk, radiologist.pk, prediction.pk, state, signed_at])
        cursor.execute("UPDATE records_study SET reading_state = 'signed'")
    # Everything: what depends on reads went back with them.
    call_command("migrate", verbosity=0)
    for read in Read.objects.all():
        assert (read.kind, read.zones, read.comment) == ("first", [], "A fold.")
        assert (read.decision, read.other_findings) == ("overrule", ["effusion"])
    later = make_prediction(category="unlikely")
    sign(later.radiograph.study, radiologist, Entry(later.pk, "confirm", "none"), PASSWORD)
    assert verify().intact
