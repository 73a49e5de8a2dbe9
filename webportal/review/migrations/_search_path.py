"""What protects signed reads looks at the real tables, whatever the session has of that name.

PostgreSQL looks for a table among the temporary ones first, and the runtime role may make those:
with a trail of its own invention it could have deleted what is signed.
"""

from django.db.migrations import RunSQL

FUNCTIONS = (
    "review_keep_read()",
    "review_is_erased(text, uuid)",
    "review_fit_amendment()",
)

LOOK_IN_PUBLIC = [
    RunSQL(
        f"ALTER FUNCTION {function} SET search_path = public, pg_temp",
        f"ALTER FUNCTION {function} RESET search_path",
    )
    for function in FUNCTIONS
]
