"""A user directory: Debian's slapd as an unprivileged process of its own, in a temporary folder.

It knows the attributes by which Active Directory describes people, beside those of OpenLDAP.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.certificates import write_certificates
from tests.helpers import free_port

START_SECONDS = 60
ROOT_DN, ROOT_PASSWORD = "cn=root,dc=hospital,dc=example", "root of the tests"
SERVICE_DN, SERVICE_PASSWORD = "cn=chestline,dc=hospital,dc=example", "service of the tests"
PEOPLE, GROUPS = "ou=people,dc=hospital,dc=example", "ou=groups,dc=hospital,dc=example"
# What an account of Active Directory is: normal, or disabled.
NORMAL, DISABLED = b"512", b"514"

_CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.2 NAME 'objectGUID' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.782 NAME 'objectCategory' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP inetOrgPerson STRUCTURAL
  MAY ( sAMAccountName $ objectGUID $ userAccountControl $ objectCategory ) )
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
database mdb
suffix dc=hospital,dc=example
rootdn {root}
rootpw "{root_password}"
directory {folder}/data
maxsize 10485760
access to attrs=userPassword by anonymous auth by * none
{hidden}
access to dn.subtree=dc=hospital,dc=example by dn.exact={service} read by * none
"""


def find_slapd() -> str | None:
    """The path of slapd, None where it is not installed."""
    return shutil.which("slapd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Directory:
    """The directory, with the people whom it is told of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self.url = f"ldap://127.0.0.1:{self.port}"
        self.tls_url = f"ldaps://127.0.0.1:{self.tls_port}"
        self.ca_file = folder / "ca.pem"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        addresses = f"{self.url}/ {self.tls_url}/"
        slapd = find_slapd()
        assert slapd is not None
        command = [slapd, "-d", "0", "-h", addresses, "-f", str(self.folder / "slapd.conf")]
        self._process = subprocess.Popen(command, cwd=self.folder)
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self._connection().unbind_s()
                return
            except self._ldap.SERVER_DOWN:
                assert self._process.poll() is None, "slapd has ended"
                assert time.monotonic() < until, "slapd does not answer"
                time.sleep(0.05)

    @contextmanager
    def hiding(self, what: str) -> Iterator[None]:
        """Hide something from the service account meanwhile, in the words of slapd.access(5)."""
        self._restart(f"access to {what} by * none")
        try:
            yield
        finally:
            self._restart()

    def configure(self, hidden: str = "") -> None:
        """Write its configuration."""
        values = {"folder": self.folder, "root": ROOT_DN, "root_password": ROOT_PASSWORD}
        text = _CONFIGURATION.format(service=SERVICE_DN, hidden=hidden, **values)
        (self.folder / "slapd.conf").write_text(text)

    def _restart(self, hidden: str = "") -> None:
        self.stop()
        self.configure(hidden)
        self.start()

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    @property
    def _ldap(self) -> Any:
        import ldap

        return ldap

    def _connection(self) -> Any:
        connection = self._ldap.initialize(self.url)
        connection.set_option(self._ldap.OPT_NETWORK_TIMEOUT, 10)
        connection.simple_bind_s(ROOT_DN, ROOT_PASSWORD)
        return connection

    def fill(self) -> None:
        """Add what every directory has: the branches, and the service account."""
        self._add("dc=hospital,dc=example", objectClass=["dcObject", "organization"], o="Hospital")
        for branch in (PEOPLE, GROUPS):
            self._add(branch, objectClass=["organizationalUnit"])
        classes = ["organizationalRole", "simpleSecurityObject"]
        self._add(SERVICE_DN, objectClass=classes, userPassword=SERVICE_PASSWORD)

    def knows(
        self, name: str, password: str, groups: Sequence[str] = (), *, branch: str = PEOPLE
    ) -> str:
        """Add a person who is a member of these groups; returns their DN."""
        dn = f"uid={name},{branch}"
        self._add(
            dn,
            objectClass=["user"],
            cn=f"{name.title()} Tester",
            sn="Tester",
            displayName=f"{name.title()} Tester",
            sAMAccountName=name,
            objectGUID=uuid4().bytes,
            objectCategory="person",
            userAccountControl=NORMAL,
            userPassword=password,
        )
        for group in groups:
            self.joins(dn, group)
        return dn

    def joins(self, dn: str, group: str, branch: str = GROUPS) -> None:
        """Add a member to a group, which there may not be yet."""
        group_dn = f"cn={group},{branch}"
        try:
            self._change(group_dn, self._ldap.MOD_ADD, "member", dn)
        except self._ldap.NO_SUCH_OBJECT:
            self._add(group_dn, objectClass=["groupOfNames"], member=dn)

    def leaves(self, dn: str, group: str) -> None:
        """Remove a member from a group; the group goes with its last one."""
        try:
            self._change(f"cn={group},{GROUPS}", self._ldap.MOD_DELETE, "member", dn)
        except self._ldap.OBJECT_CLASS_VIOLATION:
            self.removes(f"cn={group},{GROUPS}")

    def sets(self, dn: str, attribute: str, value: str | bytes) -> None:
        """Replace a value."""
        self._change(dn, self._ldap.MOD_REPLACE, attribute, value)

    def removes(self, dn: str) -> None:
        """Remove an entry."""
        connection = self._connection()
        connection.delete_s(dn)
        connection.unbind_s()

    def renames(self, dn: str, name: str) -> str:
        """Give a person another name and DN, which is returned; groups still name the former."""
        connection = self._connection()
        connection.rename_s(dn, f"uid={name}")
        connection.unbind_s()
        renamed = f"uid={name},{PEOPLE}"
        self.sets(renamed, "sAMAccountName", name)
        return renamed

    def empties(self) -> None:
        """Remove all people and groups."""
        connection = self._connection()
        for branch in (GROUPS, PEOPLE):
            found = connection.search_s(branch, self._ldap.SCOPE_SUBTREE, attrlist=["1.1"])
            for dn, _values in sorted(found, key=lambda each: -len(each[0])):
                if dn != branch:
                    connection.delete_s(dn)
        connection.unbind_s()

    def _add(self, dn: str, **values: Any) -> None:
        connection = self._connection()
        connection.add_s(dn, [(name, _octets(value)) for name, value in values.items()])
        connection.unbind_s()

    def _change(self, dn: str, how: int, attribute: str, value: str | bytes) -> None:
        connection = self._connection()
        try:
            connection.modify_s(dn, [(how, attribute, _octets(value))])
        finally:
            connection.unbind_s()


def _octets(value: Any) -> list[bytes]:
    values = value if isinstance(value, list) else [value]
    return [each if isinstance(each, bytes) else str(each).encode() for each in values]


@contextmanager
def running_directory() -> Iterator[Directory]:
    """A directory without people; it encrypts with a certificate of its own for 127.0.0.1."""
    with tempfile.TemporaryDirectory(prefix="chestline-slapd-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        write_certificates(folder)
        directory = Directory(folder)
        directory.configure()
        directory.start()
        try:
            directory.fill()
            yield directory
        finally:
            directory.stop()
