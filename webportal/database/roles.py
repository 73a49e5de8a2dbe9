"""The two database roles: the owner migrates, the runtime role does everything else.

The owner of a table can disable its triggers. So the portal, the workers and the scheduler use
a role that owns nothing: it cannot change the audit trail or signed reads.
"""

import psycopg
from psycopg import sql

from webportal.database.config import address_of

# What the runtime role must not do to these tables, besides what only an owner can do.
_WITHHELD = {
    "access_accessentry": "UPDATE, DELETE",
    "audit_auditentry": "UPDATE, DELETE",
    "audit_chainhead": "INSERT, DELETE",
    "audit_anchorstate": "INSERT, DELETE",
    "django_migrations": "INSERT, UPDATE, DELETE",
    "inference_oldestprotocol": "INSERT, UPDATE, DELETE",
}


class RoleError(Exception):
    """The roles are not set up correctly; the message says what to do."""


def role_of(url: str) -> str:
    """The role that a database URL connects as, wherever in it that is named."""
    return str(address_of(url).get("user", ""))


def ensure_runtime_role(owner_url: str, runtime_url: str) -> None:
    """Create the runtime role if it is missing, with the password from its URL.

    Raises RoleError if the owner may not do that, or if the runtime role would have the
    owner's rights.
    """
    owner, runtime = role_of(owner_url), role_of(runtime_url)
    if owner == runtime:
        raise RoleError(
            "DATABASE_URL and DATABASE_OWNER_URL name the same role. Give DATABASE_URL a role of"
            " its own, which owns nothing."
        )
    with psycopg.connect(owner_url) as connection:
        found = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [runtime])
        row = found.fetchone()
        if row is None:
            _create(connection, owner, runtime, str(address_of(runtime_url).get("password", "")))
            return
        inherits = connection.execute("SELECT pg_has_role(%s, %s, 'MEMBER')", [runtime, owner])
        if row[0] or inherits.fetchone() == (True,):
            raise RoleError(
                f"The role {runtime} of DATABASE_URL is a superuser or a member of {owner}, and so"
                " could change the audit trail. Revoke that, or name another role."
            )


def grant(owner_url: str, runtime_url: str) -> None:
    """Grant the runtime role what it needs on all present tables, and nothing else."""
    role = sql.Identifier(role_of(runtime_url))
    statements = [
        "GRANT USAGE ON SCHEMA public TO {role}",
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
        "GRANT EXECUTE ON FUNCTION access_remove, access_erase, audit_blank TO {role}",
        *(f"REVOKE {rights} ON {table} FROM {{role}}" for table, rights in _WITHHELD.items()),
    ]
    # In one transaction, so that running processes are not affected.
    with psycopg.connect(owner_url) as connection:
        for statement in statements:
            connection.execute(sql.SQL(statement).format(role=role))


def _create(
    connection: "psycopg.Connection[tuple[object, ...]]", owner: str, runtime: str, password: str
) -> None:
    create = sql.SQL("CREATE ROLE {role} LOGIN PASSWORD {password}")
    try:
        connection.execute(
            create.format(role=sql.Identifier(runtime), password=sql.Literal(password))
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise RoleError(
            f"The role {runtime} of DATABASE_URL does not exist, and {owner} may not create it. Ask"
            f" a database administrator to run: CREATE ROLE {runtime} LOGIN PASSWORD '…'"
        ) from error
