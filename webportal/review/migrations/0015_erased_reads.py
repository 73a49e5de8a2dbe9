"""What is signed may be deleted by an erasure that lists it, and by nothing else."""

from django.db import migrations

# The transaction that erases says by which entry of the trail, so that no other has to be read.
FORWARDS = """
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
DROP TRIGGER review_signed_read_stays ON review_read;
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
DROP TRIGGER review_addendum_stays ON review_addendum;
CREATE TRIGGER review_addendum_stays BEFORE UPDATE ON review_addendum
    FOR EACH ROW EXECUTE FUNCTION review_refuse_change();
CREATE TRIGGER review_addendum_is_kept BEFORE DELETE ON review_addendum
    FOR EACH ROW EXECUTE FUNCTION review_erase_addendum();
"""

BACKWARDS = """
DROP TRIGGER review_addendum_is_kept ON review_addendum;
DROP TRIGGER review_addendum_stays ON review_addendum;
DROP TRIGGER review_signed_read_is_kept ON review_read;
DROP TRIGGER review_signed_read_stays ON review_read;
DROP FUNCTION review_erase_addendum();
DROP FUNCTION review_erase_read();
DROP FUNCTION review_is_erased;
CREATE TRIGGER review_addendum_stays BEFORE UPDATE OR DELETE ON review_addendum
    FOR EACH ROW EXECUTE FUNCTION review_refuse_change();
CREATE TRIGGER review_signed_read_stays BEFORE UPDATE OR DELETE ON review_read
    FOR EACH ROW WHEN (OLD.state <> 'draft') EXECUTE FUNCTION review_keep_read();
"""


class Migration(migrations.Migration):
    dependencies = [("review", "0014_measurements"), ("audit", "0016_erased_details")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
