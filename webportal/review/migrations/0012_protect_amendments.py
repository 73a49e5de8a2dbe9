"""Triggers: a signed read changes in one way alone, and an amendment fits what it amends."""

from django.db import migrations

FORWARDS = """
CREATE FUNCTION review_keep_read() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    otherwise review_read;
BEGIN
    -- The one change: its reader takes the signature back in time, before anything builds on it.
    IF TG_OP = 'UPDATE' AND OLD.state = 'signed' AND NEW.state = 'taken_back' THEN
        otherwise := NEW;
        otherwise.state := OLD.state;
        IF otherwise IS NOT DISTINCT FROM OLD
            AND clock_timestamp() < OLD.signed_at + interval '30 seconds'
            AND NOT EXISTS (SELECT FROM review_read WHERE amends_id = OLD.id AND state = 'signed')
            AND NOT EXISTS (SELECT FROM review_addendum WHERE read_id = OLD.id)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'What is signed is never changed: amend it or write an addendum.'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
DROP TRIGGER review_signed_read_stays ON review_read;
CREATE TRIGGER review_signed_read_stays BEFORE UPDATE OR DELETE ON review_read
    FOR EACH ROW WHEN (OLD.state <> 'draft') EXECUTE FUNCTION review_keep_read();

CREATE FUNCTION review_fit_amendment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM review_read AS amended
        WHERE amended.id = NEW.amends_id AND amended.state = 'signed'
            AND (amended.study_id, amended.reader_id, amended.kind, amended.revision + 1)
                = (NEW.study_id, NEW.reader_id, NEW.kind, NEW.revision)
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'An amendment is of the same study, reader and kind as the read it amends.'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER review_amendment_fits BEFORE INSERT OR UPDATE ON review_read
    FOR EACH ROW WHEN (NEW.state = 'signed' AND NEW.amends_id IS NOT NULL)
    EXECUTE FUNCTION review_fit_amendment();
"""

BACKWARDS = """
DROP TRIGGER review_amendment_fits ON review_read;
DROP FUNCTION review_fit_amendment();
DROP TRIGGER review_signed_read_stays ON review_read;
DROP FUNCTION review_keep_read();
CREATE TRIGGER review_signed_read_stays BEFORE UPDATE OR DELETE ON review_read
    FOR EACH ROW WHEN (OLD.state = 'signed') EXECUTE FUNCTION review_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("review", "0011_amended_and_taken_back")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
