"""The chain's head, and triggers that refuse every change to the trail."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

REFUSE_CHANGE = """
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit trail is append-only: % is refused.', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_chainhead
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
"""

ALLOW_CHANGE = """
DROP TRIGGER audit_no_change ON audit_auditentry;
DROP TRIGGER audit_no_truncate ON audit_auditentry;
DROP TRIGGER audit_head_stays ON audit_chainhead;
DROP FUNCTION audit_refuse_change();
"""


def create_head(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Start the chain."""
    apps.get_model("audit", "ChainHead").objects.create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunPython(create_head, migrations.RunPython.noop),
        migrations.RunSQL(REFUSE_CHANGE, ALLOW_CHANGE),
    ]
