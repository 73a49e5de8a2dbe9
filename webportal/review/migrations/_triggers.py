"""Triggers: what is signed stays, and an amendment fits what it amends.

A signed read changes in one way alone, and may be deleted only by an erasure that lists it. The
transaction that erases says by which entry of the trail, so that no other has to be read.
"""

CREATE = """
CREATE FUNCTION review_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What is signed is never changed: write an addendum.'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

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

CREATE FUNCTION review_is_erased(kind text, id uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM audit_auditentry
        WHERE action = 'records.erased' AND detail -> 'removed' -> kind ? id::text
            AND sequence = nullif(current_setting('chestline.erasure', true), '')::bigint
    )
$$;

CREATE FUNCTION review_erase_read() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF review_is_erased('read', OLD.id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'What is signed is never changed: amend it or write an addendum.'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER review_signed_read_stays BEFORE UPDATE ON review_read
    FOR EACH ROW WHEN (OLD.state <> 'draft') EXECUTE FUNCTION review_keep_read();
CREATE TRIGGER review_signed_read_is_kept BEFORE DELETE ON review_read
    FOR EACH ROW WHEN (OLD.state <> 'draft') EXECUTE FUNCTION review_erase_read();

CREATE FUNCTION review_erase_addendum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF review_is_erased('addendum', OLD.id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'What is signed is never changed: write an addendum.'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER review_addendum_stays BEFORE UPDATE ON review_addendum
    FOR EACH ROW EXECUTE FUNCTION review_refuse_change();
CREATE TRIGGER review_addendum_is_kept BEFORE DELETE ON review_addendum
    FOR EACH ROW EXECUTE FUNCTION review_erase_addendum();

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

DROP = """
DROP TRIGGER review_amendment_fits ON review_read;
DROP TRIGGER review_addendum_is_kept ON review_addendum;
DROP TRIGGER review_addendum_stays ON review_addendum;
DROP TRIGGER review_signed_read_is_kept ON review_read;
DROP TRIGGER review_signed_read_stays ON review_read;
DROP FUNCTION review_fit_amendment, review_erase_addendum, review_erase_read, review_is_erased,
    review_keep_read, review_refuse_change;
"""
