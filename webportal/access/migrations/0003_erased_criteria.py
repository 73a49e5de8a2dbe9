"""The one way in which an entry may change: what was searched for goes with an erased patient.

The trail's entry of the erasure lists whose criteria go. Like removing, it is done by a function
with the owner's rights.
"""

from django.db import migrations

FORWARDS = """
CREATE OR REPLACE FUNCTION access_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
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

BACKWARDS = """
DROP FUNCTION access_erase;
CREATE OR REPLACE FUNCTION access_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < now() - interval '365 days' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'The access log is append-only: % is refused.', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("access", "0002_append_only"), ("audit", "0016_erased_details")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
