"""What the database keeps of the last anchor, which only grows."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

REFUSE_CHANGE = """
CREATE TRIGGER audit_anchors_grow BEFORE UPDATE ON audit_anchorstate
    FOR EACH ROW WHEN (NEW.number < OLD.number) EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_anchors_stay BEFORE DELETE ON audit_anchorstate
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
"""

ALLOW_CHANGE = """
DROP TRIGGER audit_anchors_grow ON audit_anchorstate;
DROP TRIGGER audit_anchors_stay ON audit_anchorstate;
"""


def create_state(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """No anchor is signed yet."""
    apps.get_model("audit", "AnchorState").objects.create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("audit", "0011_locked_sessions")]

    operations = [
        migrations.CreateModel(
            name="AnchorState",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
                ),
                ("number", models.BigIntegerField(default=0)),
                ("signature", models.CharField(blank=True, max_length=32)),
                ("seal", models.CharField(blank=True, max_length=32)),
                ("at", models.DateTimeField(null=True)),
                (
                    "unwritten",
                    models.CharField(
                        blank=True,
                        help_text="The settings of places that could not be written.",
                        max_length=200,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="one_anchor_state")
                ],
            },
        ),
        migrations.RunPython(create_state, migrations.RunPython.noop),
        migrations.RunSQL(REFUSE_CHANGE, ALLOW_CHANGE),
    ]
