"""Triggers that refuse every change of an entry, and the one way to remove old ones."""

from django.db import migrations

# Whoever owns the table may remove what is older than a year, too, and nothing else; the runtime
# role only by the function.
PROTECT = """
CREATE FUNCTION access_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < now() - interval '365 days' THEN
        RETURN OLD;
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
"""

UNPROTECT = """
DROP FUNCTION access_remove;
DROP TRIGGER access_no_change ON access_accessentry;
DROP TRIGGER access_no_truncate ON access_accessentry;
DROP FUNCTION access_refuse_change();
DROP FUNCTION access_refuse_truncate();
"""


class Migration(migrations.Migration):
    dependencies = [("access", "0001_initial")]

    operations = [migrations.RunSQL(PROTECT, UNPROTECT)]
