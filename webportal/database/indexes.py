"""Building indexes of tables that are in use."""

from typing import Any

from django.contrib.postgres import operations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


class AddIndexConcurrently(operations.AddIndexConcurrently):
    """Django's, which waits as long as it has to and can be run again after it was interrupted.

    PostgreSQL waits for every transaction that was open when the build began, such as that of a
    backup. Nobody waits behind it, so no lock timeout applies: one would leave an invalid index,
    whose name is then taken. Such an index is rebuilt, and a valid one is kept.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: Any,
        to_state: Any,
    ) -> None:
        """Build the index unless it is there."""
        if schema_editor.collect_sql:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        name = schema_editor.connection.ops.quote_name(self.index.name)
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout')")
            [before] = cursor.fetchone()
            cursor.execute("SELECT set_config('lock_timeout', '0', false)")
            try:
                cursor.execute(
                    "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name]
                )
                found = cursor.fetchone()
                if found == (False,):
                    cursor.execute(f"DROP INDEX CONCURRENTLY {name}")
                if found != (True,):
                    super().database_forwards(app_label, schema_editor, from_state, to_state)
            finally:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [before])
