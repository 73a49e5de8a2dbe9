"""A trigger that refuses to turn the chain's head back: appending would collide from then on."""

from django.db import migrations

REFUSE_TURNING_BACK = """
CREATE TRIGGER audit_head_grows BEFORE UPDATE ON audit_chainhead
    FOR EACH ROW WHEN (NEW.sequence <= OLD.sequence) EXECUTE FUNCTION audit_refuse_change();
"""

ALLOW_TURNING_BACK = "DROP TRIGGER audit_head_grows ON audit_chainhead;"


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_find_by_actor_and_time")]

    operations = [migrations.RunSQL(REFUSE_TURNING_BACK, ALLOW_TURNING_BACK)]
