"""Containers, compose and systemd, as far as testable without running them."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.system import SHARED
from tests.deploy.commands import SETTINGS_CODE, SETTINGS_READ, assert_understood
from webportal.accounts import config as accounts
from workers.limits import HARD_LIMIT_SECONDS

ROOT = Path(__file__).resolve().parents[2]
CONTAINERS = ROOT / "deploy" / "containers"
COMPOSE = ROOT / "deploy" / "compose"
UNITS = sorted((ROOT / "deploy" / "systemd").glob("chestline*"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
# Where the packages of the tests put their programs.
PROGRAMS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
DOCKERFILES = sorted(CONTAINERS.glob("*.Dockerfile"))


class _ComposeLoader(yaml.SafeLoader):
    """Reads Compose's tag `!reset`, which empties what another file sets."""


_ComposeLoader.add_constructor("!reset", lambda loader, node: [])


def _compose(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load((COMPOSE / name).read_text(), _ComposeLoader)
    return document


def _dockerfile_command(name: str) -> list[str]:
    text = (CONTAINERS / f"{name}.Dockerfile").read_text()
    found = re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert found is not None
    command: list[str] = yaml.safe_load(found[1])
    return command[2:] if command[:2] == ["python", "-m"] else command


def _unit_value(unit: Path, key: str) -> str:
    found = re.search(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)
    assert found is not None, f"{unit.name} has no {key}"
    return found[1]


def _unit_command(unit: Path) -> list[str]:
    python, *command = shlex.split(_unit_value(unit, "ExecStart"))
    assert python == "/opt/chestline/.venv/bin/python"
    return command[1:] if command[0] == "-m" else ["python", *command]


def _all_commands() -> dict[str, list[str]]:
    commands = {unit.name: _unit_command(unit) for unit in SERVICES}
    commands |= {path.name: _dockerfile_command(path.stem) for path in DOCKERFILES}
    for name, service in _compose("compose.yaml")["services"].items():
        if "build" in service and "command" in service:
            commands[f"compose {name}"] = service["command"]
    return commands


@pytest.mark.parametrize(("source", "command"), _all_commands().items())
def test_every_command_is_valid(source: str, command: list[str]) -> None:
    assert_understood(command)


def test_every_variable_of_make_run_is_documented() -> None:
    """Those of `make run` only, which the settings do not read."""
    sources = [file.read_text() for file in (ROOT / "deploy" / "local").glob("*.py")]
    pattern = r'\bCHESTLINE_[A-Z_]+|(?<=environ\.get\(")[A-Z_]+|(?<=environ\[")[A-Z_]+'
    named = {each for text in sources for each in re.findall(pattern, text)}
    # By which the supervisor knows its own processes, and what belongs to other programs.
    named -= {"CHESTLINE_SUPERVISOR", "PATH", "PIP_INDEX_URL"}
    assert {"CHESTLINE_LISTEN", "CHESTLINE_WORKERS", "ARCHIVE_WAL"} <= named
    manual = "".join(each.read_text() for each in (ROOT / "docs" / "deployment").glob("*.md"))
    assert [each for each in sorted(named) if f"`{each}`" not in manual] == []


def test_compose_has_every_part_once() -> None:
    services = _compose("compose.yaml")["services"]
    assert services.pop("restore")["profiles"] == ["restore"]
    assert set(services) == {
        "postgres",
        "valkey",
        "prepare",
        "portal",
        "receiver",
        "orders",
        "scheduler",
        "worker",
    }
    # A fixed name or port would prevent `--scale worker=3`.
    assert not {"container_name", "ports", "hostname"} & set(services["worker"])
    assert services["worker"]["stop_grace_period"] == "4m"
    # On a busy machine ten seconds, the engine's default, are not enough for these.
    assert {services[name]["stop_grace_period"] for name in ("scheduler", "receiver")} == {"1m"}
    assert HARD_LIMIT_SECONDS < 4 * 60


def test_compose_starts_nothing_before_the_database_is_prepared() -> None:
    services = _compose("compose.yaml")["services"]
    for name in ("portal", "receiver", "orders", "scheduler", "worker"):
        condition = services[name]["depends_on"]["prepare"]["condition"]
        assert condition == "service_completed_successfully"


def test_compose_passes_only_settings_that_are_read() -> None:
    services = _compose("compose.yaml")["services"]
    known = SETTINGS_READ
    for name in ("prepare", "portal", "receiver", "orders", "scheduler", "worker"):
        variables = set(services[name]["environment"])
        given = {v if v in known else v.removesuffix("_FILE") for v in variables}
        assert given <= known
        assert {"DATABASE_URL", "BROKER_URL", "SECRET_KEY", "AUDIT_KEY"} <= given


EMPTY_AT_FIRST = ("secrets/secret_key_fallbacks", "secrets/audit_old_keys")


def test_every_secret_is_generated(tmp_path: Path) -> None:
    script = tmp_path / "make-secrets.sh"
    shutil.copy(COMPOSE / "make-secrets.sh", script)
    document = _compose("compose.yaml")
    first: dict[str, str] = {}
    for _ in range(2):
        subprocess.run([script], check=True)
        for secret in document["secrets"].values():
            value = (tmp_path / secret["file"]).read_text()
            assert len(value) >= 32 or secret["file"] in EMPTY_AT_FIRST
            assert first.setdefault(secret["file"], value) == value
    used = {name for service in document["services"].values() for name in service["secrets"]}
    assert used == set(document["secrets"])
    password = first["secrets/valkey_password"]
    assert first["secrets/broker_url"] == f"redis://:{password}@valkey:6379/0"


@pytest.mark.parametrize(
    ("key", "old"), [("audit_key", "audit_old_keys"), ("secret_key", "secret_key_fallbacks")]
)
def test_a_new_key_keeps_those_before_it(key: str, old: str, tmp_path: Path) -> None:
    script = shutil.copy(COMPOSE / "make-secrets.sh", tmp_path)
    secrets = tmp_path / "secrets"
    subprocess.run([script], check=True)
    made = [(secrets / key).read_text()]
    for _ in range(2):
        subprocess.run([script, "--new-key", key], check=True)
        made.append((secrets / key).read_text())
    assert len(set(made)) == 3
    assert (secrets / old).read_text().splitlines() == [made[1], made[0]]
    assert not list(secrets.glob("*.new"))
    wrong = subprocess.run([script, "--new-key", "broker_url"], capture_output=True, check=False)
    assert wrong.returncode == 2


def test_a_new_key_is_made_after_an_interruption(tmp_path: Path) -> None:
    """What it left can only be read; a second name shows that root did not write to it either."""
    script = shutil.copy(COMPOSE / "make-secrets.sh", tmp_path)
    secrets = tmp_path / "secrets"
    subprocess.run([script], check=True)
    before = (secrets / "audit_key").read_text()
    for name in ("audit_key", "audit_old_keys"):
        (secrets / f"{name}.new").write_text("left over")
        (secrets / f"{name}.new").chmod(0o444)
        (secrets / f"{name}.same").hardlink_to(secrets / f"{name}.new")
    subprocess.run([script, "--new-key", "audit_key"], check=True)
    assert (secrets / "audit_old_keys").read_text().splitlines() == [before]
    assert (secrets / "audit_key").read_text() != before
    assert {(secrets / f"{name}.same").read_text() for name in ("audit_key", "audit_old_keys")} == {
        "left over"
    }


def test_the_compose_broker_is_persistent_never_evicts_and_stops_on_sigterm(tmp_path: Path) -> None:
    service = _compose("compose.yaml")["services"]["valkey"]
    # No shell between the container engine and the server, which would not pass the signal on.
    assert service["command"] == ["valkey-server", "/run/secrets/valkey_configuration"]
    shutil.copy(COMPOSE / "make-secrets.sh", tmp_path)
    subprocess.run([tmp_path / "make-secrets.sh"], check=True)
    configuration = (tmp_path / "secrets" / "valkey_configuration").read_text().splitlines()
    password = (tmp_path / "secrets" / "valkey_password").read_text()
    assert {"appendonly yes", "maxmemory-policy noeviction"} <= set(configuration)
    assert f"requirepass {password}" in configuration


def test_workers_and_scheduler_are_healthy_while_their_heartbeat_is_fresh() -> None:
    """A check that starts a Celery client times out where the worker keeps all cores busy."""
    image = (CONTAINERS / "worker.Dockerfile").read_text()
    assert "HEARTBEAT_FILE=/tmp/heartbeat\n" in image
    assert "find /tmp/heartbeat -mmin -4" in image
    services = _compose("compose.yaml")["services"]
    assert "find /tmp/heartbeat -mmin -60" in services["scheduler"]["healthcheck"]["test"][1]
    assert "healthcheck" not in services["worker"]


def test_every_container_is_confined() -> None:
    for name, service in _compose("compose.yaml")["services"].items():
        if name in ("prepare", "restore"):
            continue
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["mem_limit"], name
        assert service.get("user", "999:999") == "999:999", name


def test_the_gpu_override_changes_only_the_worker() -> None:
    override = _compose("compose.gpu.yaml")
    assert set(override["services"]) == {"worker"}
    (device,) = override["services"]["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    (argument,) = override["services"]["worker"]["build"]["args"]
    assert f"ARG {argument}=" in (CONTAINERS / "worker.Dockerfile").read_text()


def test_compose_files_follow_the_specification(tmp_path: Path) -> None:
    files = [str(path) for path in sorted(COMPOSE.glob("compose*.yaml"))]
    assert len(files) == 3
    plain = []
    for file in files:
        copy = tmp_path / Path(file).name
        # The published schema does not know Compose's own tags.
        copy.write_text(yaml.safe_dump(_compose(Path(file).name)))
        plain.append(str(copy))
    _assert_follows("compose-spec", *plain)
    environment = {**os.environ, "PORTAL_HOST": "chestline.example"}
    if shutil.which("docker") and _run("docker", "compose", "version").returncode == 0:
        options = [part for file in files for part in ("-f", file)]
        done = _run("docker", "compose", *options, "config", "--quiet", env=environment)
        assert done.returncode == 0, done.stderr


def test_compose_refers_only_to_what_it_defines() -> None:
    document = _compose("compose.yaml")
    services = document["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= set(services), name
        for kind in ("secrets", "networks", "configs"):
            assert set(service.get(kind, ())) <= set(document.get(kind, ())), name
        mounted = {volume.split(":")[0] for volume in service.get("volumes", ())}
        assert {each for each in mounted if each[0] not in "./~"} <= set(document["volumes"]), name
    assert set(_compose("compose.gpu.yaml")["services"]) <= set(services)
    assert set(_compose("compose.tls.yaml")["services"]) <= {*services, "proxy"}


def test_with_the_proxy_the_portal_is_reached_over_https_only() -> None:
    services = _compose("compose.tls.yaml")["services"]
    assert services["portal"]["ports"] == []
    assert services["portal"]["environment"]["BEHIND_HTTPS"] == "true"
    assert services["proxy"]["ports"] == ["80:80", "443:443"]


def test_dockerfiles_have_no_known_faults() -> None:
    done = _run("hadolint", *map(str, DOCKERFILES), env=os.environ | {"PATH": PROGRAMS})
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_citation_is_machine_readable() -> None:
    _assert_follows("citation-file-format", str(ROOT / "CITATION.cff"))


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_dockerfiles_copy_existing_files_and_run_unprivileged(dockerfile: Path) -> None:
    lines = dockerfile.read_text().replace("\\\n", " ").splitlines()
    sent = [
        line.removeprefix("!").strip("/")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    for line in lines:
        if not line.startswith("COPY ") or "--from" in line:
            continue
        for source in line.split()[1:-1]:
            assert (ROOT / source).exists(), source
            assert source.split("/")[0] in sent, f".dockerignore leaves out {source}"
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    # By number: Kubernetes cannot tell whether a name is root.
    assert users == ["10001"]
    assert any(line.startswith("HEALTHCHECK ") for line in lines)


def test_images_install_only_the_locked_packages_they_need() -> None:
    for name, extra in {"portal": "", "worker": ' --extra "$EXTRA" --extra backup'}.items():
        text = (CONTAINERS / f"{name}.Dockerfile").read_text()
        extras = f"{extra} --extra ldap --extra saml --extra tracing"
        assert f"--require-hashes -r pyproject.toml -c requirements.lock{extras}\n" in text
    assert "\nARG EXTRA=worker\n" in (CONTAINERS / "worker.Dockerfile").read_text()
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    override = _compose("compose.gpu.yaml")["services"]["worker"]["build"]["args"]
    assert override["EXTRA"] in known


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_units_run_unprivileged_and_stop_the_main_process_first(unit: Path) -> None:
    assert _unit_value(unit, "User") == "chestline"
    if "Type=oneshot" not in unit.read_text():
        assert _unit_value(unit, "KillMode") == "mixed"


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd on this machine")
    for unit in UNITS:
        # The verification looks for the program, which is not installed here.
        text = unit.read_text().replace("/opt/chestline/.venv/bin/python", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    done = _run("systemd-analyze", "verify", *map(str, sorted(tmp_path.glob("chestline*"))))
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "chestline" in line]


def test_the_environment_example_names_only_settings_that_are_read() -> None:
    lines = (ROOT / "deploy" / "systemd" / "environment.example").read_text().splitlines()
    named = {line.split("=")[0] for line in lines if not line.startswith("#")}
    assert named <= SETTINGS_READ


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "deployment" / "settings.md").read_text()
    documented = set(re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \|", text, re.MULTILINE))
    assert documented == SETTINGS_READ


#: Those whose default is described in words, because it has no other form.
DEFAULTS_IN_WORDS = {
    "DATABASE_STATEMENT_SECONDS",
    "LDAP_PEOPLE_FILTER",
    "PASSWORD_HASHES_AT_ONCE",
    "PROXY_COUNT",
    "SECOND_FACTOR_KEYS",
    "WAL_OUTBOX",
}


def test_every_default_is_documented() -> None:
    text = (ROOT / "docs" / "deployment" / "settings.md").read_text()
    cells = dict(re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \| (.*?) \|", text, re.MULTILINE))
    documented = {name: cell.rstrip(" ¹²").strip("`") for name, cell in cells.items()}
    read = {
        call.args[0].value: options["default"]
        for call in ast.walk(ast.parse(SETTINGS_CODE))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).startswith("env.")
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and "default" in (options := {each.arg: each.value for each in call.keywords})
    }
    assert len(read) > 100
    names = {"VAR_DIR": Path("$CHESTLINE_VAR"), "BASE_DIR": Path(), "accounts": accounts}
    defaults = {
        name: _as_given(eval(ast.unparse(default), dict(names)))
        for name, default in read.items()
        if name not in DEFAULTS_IN_WORDS
    }
    assert {name: documented[name] for name in defaults} == defaults


def _as_given(value: Any) -> str:
    """A default as it would be given in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    return (",".join(value) if isinstance(value, list | dict) else str(value)) or "empty"


def test_a_command_beside_the_running_system_has_all_its_keys() -> None:
    """What has no key of the system cannot read what it encrypted, nor continue its trail."""
    keys = {name for name in SETTINGS_READ if name.endswith(("_KEY", "_KEYS"))}
    # Files (PEM) of connections, which only the process that makes them needs.
    files = {"AUDIT_EXPORT_KEY", "DICOM_TLS_KEY", "ORDERS_TLS_KEY", "SAML_KEY"}
    assert keys - files - set(SHARED) == set(), "SHARED in deploy/local/system.py"


def _assert_follows(schema: str, *files: str) -> None:
    """Fail unless the files follow a published schema, which the checker brings with it."""
    checker = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}")
    done = _run(*checker, *files)
    assert done.returncode == 0, done.stdout + done.stderr


def _run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)
