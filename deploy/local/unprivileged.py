"""Running PostgreSQL, which refuses to run as root, for the root user."""

import os
import pwd
import shutil

from deploy.local.errors import ServiceError


def unprivileged_ids() -> tuple[int, int]:
    """User and group id of 'nobody'; raises ServiceError if there is no such account."""
    try:
        account = pwd.getpwnam("nobody")
    except KeyError:
        raise ServiceError(
            "PostgreSQL does not run as root, and this machine has no account 'nobody' that it "
            "could run as. Run Chestline as an ordinary user, or set DATABASE_URL."
        ) from None
    return account.pw_uid, account.pw_gid


def as_unprivileged() -> list[str]:
    """The command prefix that makes PostgreSQL run although the user is root.

    Empty for an ordinary user. For root, the server runs as 'nobody' and keeps the one capability
    that lets it traverse folders which only root may enter, such as /root. The alternative
    would be to open those folders to everybody. Raises ServiceError if it cannot be done.
    """
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise ServiceError(
            "PostgreSQL does not run as root, and 'setpriv' (package util-linux), with which it "
            "is started as another user, is missing. Install it, run Chestline as an ordinary "
            "user, or set DATABASE_URL."
        )
    uid, gid = unprivileged_ids()
    return [
        "setpriv",
        f"--reuid={uid}",
        f"--regid={gid}",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        # Without it, access(2), which initdb uses to look for its files, ignores the capability.
        "--securebits=+no_setuid_fixup",
        "--no-new-privs",
        "--",
    ]
