"""Triggers that refuse every change of an entry, and the two ways round them.

What is older than a year may be removed, and what was searched for goes with an erased patient: the
trail's entry of the erasure lists whose criteria go. Both are done by functions with the owner's
rights, because the runtime role may neither delete nor update.
"""

CREATE = """
CREATE FUNCTION access_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    otherwise access_accessentry;
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.at < now() - interval '365 days' THEN
            RETURN OLD;
        END IF;
    ELSE
        otherwise := NEW;
        otherwise.criteria := OLD.criteria;
        IF otherwise IS NOT DISTINCT FROM OLD AND EXISTS (
            SELECT FROM audit_auditentry AS erasure
            WHERE erasure.action = 'records.erased'
                AND erasure.sequence = (NEW.criteria ->> 'erased_by')::bigint
                AND NEW.criteria = jsonb_build_object('erased_by', erasure.sequence)
                AND erasure.detail -> 'accesses' @> to_jsonb(OLD.id)
        ) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'The access log is append-only: % is refused.', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION access_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The access log is append-only: % is refused.', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER access_no_change BEFORE UPDATE OR DELETE ON access_accessentry
    FOR EACH ROW EXECUTE FUNCTION access_refuse_change();
CREATE TRIGGER access_no_truncate BEFORE TRUNCATE ON access_accessentry
    FOR EACH STATEMENT EXECUTE FUNCTION access_refuse_truncate();

CREATE FUNCTION access_remove(before timestamptz, most integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH old AS (
        SELECT id FROM access_accessentry
        WHERE at < least(before, now() - interval '365 days') LIMIT most
    ), gone AS (
        DELETE FROM access_accessentry WHERE id IN (SELECT id FROM old) RETURNING 1
    )
    SELECT count(*) FROM gone;
$$;
REVOKE EXECUTE ON FUNCTION access_remove FROM PUBLIC;

CREATE FUNCTION access_erase(erasure bigint) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH listed AS (
        SELECT each::bigint AS number
        FROM audit_auditentry, jsonb_array_elements(detail -> 'accesses') AS each
        WHERE sequence = erasure AND action = 'records.erased'
    ), blanked AS (
        UPDATE access_accessentry SET criteria = jsonb_build_object('erased_by', erasure)
        WHERE id IN (SELECT number FROM listed) RETURNING 1
    )
    SELECT count(*) FROM blanked;
$$;
REVOKE EXECUTE ON FUNCTION access_erase FROM PUBLIC;
"""

DROP = """
DROP FUNCTION access_erase;
DROP FUNCTION access_remove;
DROP TRIGGER access_no_change ON access_accessentry;
DROP TRIGGER access_no_truncate ON access_accessentry;
DROP FUNCTION access_refuse_change();
DROP FUNCTION access_refuse_truncate();
"""
