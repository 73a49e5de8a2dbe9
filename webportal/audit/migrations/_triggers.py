"""Triggers that refuse every change to the trail, its head and the state of its anchors.

One change is possible: the details of an entry go where an erasure lists it. `audit_blank` does it
with the owner's rights, because the runtime role may not update the trail; the trigger checks the
same for whoever else may.
"""

CREATE = """
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit trail is append-only: % is refused.', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION audit_keep_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    otherwise audit_auditentry;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        otherwise := NEW;
        otherwise.detail := OLD.detail;
        IF otherwise IS NOT DISTINCT FROM OLD AND NOT OLD.detail ? 'erased_by' AND EXISTS (
            SELECT FROM audit_auditentry AS erasure
            WHERE erasure.action = 'records.erased' AND erasure.sequence > OLD.sequence
                AND NEW.detail = jsonb_build_object('erased_by', erasure.sequence)
                AND erasure.sequence = (NEW.detail ->> 'erased_by')::bigint
                AND erasure.detail -> 'blanked'
                    @> jsonb_build_array(jsonb_build_array(OLD.sequence))
        ) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'The audit trail is append-only: % is refused.', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_keep_entry();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_chainhead
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
-- Turned back, it would let later entries collide with those that are there.
CREATE TRIGGER audit_head_grows BEFORE UPDATE ON audit_chainhead
    FOR EACH ROW WHEN (NEW.sequence <= OLD.sequence) EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_anchors_grow BEFORE UPDATE ON audit_anchorstate
    FOR EACH ROW WHEN (NEW.number < OLD.number) EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_anchors_stay BEFORE DELETE ON audit_anchorstate
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();

CREATE FUNCTION audit_blank(erasure bigint) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH listed AS (
        SELECT (each ->> 0)::bigint AS number
        FROM audit_auditentry, jsonb_array_elements(detail -> 'blanked') AS each
        WHERE sequence = erasure AND action = 'records.erased'
    ), blanked AS (
        UPDATE audit_auditentry SET detail = jsonb_build_object('erased_by', erasure)
        WHERE sequence IN (SELECT number FROM listed) AND NOT detail ? 'erased_by' RETURNING 1
    )
    SELECT count(*) FROM blanked;
$$;
REVOKE EXECUTE ON FUNCTION audit_blank FROM PUBLIC;
"""

DROP = """
DROP FUNCTION audit_blank;
DROP TRIGGER audit_anchors_grow ON audit_anchorstate;
DROP TRIGGER audit_anchors_stay ON audit_anchorstate;
DROP TRIGGER audit_head_grows ON audit_chainhead;
DROP TRIGGER audit_head_stays ON audit_chainhead;
DROP TRIGGER audit_no_truncate ON audit_auditentry;
DROP TRIGGER audit_no_change ON audit_auditentry;
DROP FUNCTION audit_keep_entry;
DROP FUNCTION audit_refuse_change;
"""
