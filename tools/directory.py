"""The user directory of the tests: slapd, and its client, which a compiler has to build."""

import sysconfig
from importlib.util import find_spec
from pathlib import Path

from deploy.local.packages import InstallError, install_packages
from tools.programs import ensure_files, ensure_program

_HEADERS = {
    Path("/usr/include/ldap.h"): "libldap-dev",
    Path("/usr/include/sasl/sasl.h"): "libsasl2-dev",
    # A Python of the system has its headers in a package of their own; others bring them along.
    Path(sysconfig.get_path("include")) / "Python.h": "python3-dev",
}


def ensure_directory() -> bool:
    """Install slapd and the extra `ldap` if possible; return whether both are there."""
    has_server = ensure_program("slapd")
    if find_spec("ldap") is None and ensure_program("cc", "gcc") and ensure_files(_HEADERS):
        try:
            install_packages(["dev", "ldap"])
        except InstallError as error:
            print(error)
    return has_server and find_spec("ldap") is not None
