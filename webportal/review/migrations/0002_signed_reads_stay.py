"""Triggers that refuse any change to what a radiologist has signed."""

from django.db import migrations

REFUSE_CHANGE = """
CREATE FUNCTION review_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What is signed is never changed: write an addendum.'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER review_signed_read_stays BEFORE UPDATE OR DELETE ON review_read
    FOR EACH ROW WHEN (OLD.state = 'signed') EXECUTE FUNCTION review_refuse_change();
CREATE TRIGGER review_addendum_stays BEFORE UPDATE OR DELETE ON review_addendum
    FOR EACH ROW EXECUTE FUNCTION review_refuse_change();
"""

ALLOW_CHANGE = """
DROP TRIGGER review_signed_read_stays ON review_read;
DROP TRIGGER review_addendum_stays ON review_addendum;
DROP FUNCTION review_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("review", "0001_initial")]

    operations = [migrations.RunSQL(REFUSE_CHANGE, ALLOW_CHANGE)]
