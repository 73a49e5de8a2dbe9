"""The one way in which an entry may change: its details go where an erasure lists it.

`audit_blank` does it with the owner's rights, because the runtime role may not update the trail.
The trigger checks the same for whoever else may.
"""

from django.db import migrations

FORWARDS = """
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
DROP TRIGGER audit_no_change ON audit_auditentry;
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_keep_entry();

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

BACKWARDS = """
DROP FUNCTION audit_blank;
DROP TRIGGER audit_no_change ON audit_auditentry;
DROP FUNCTION audit_keep_entry;
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0015_origin")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
