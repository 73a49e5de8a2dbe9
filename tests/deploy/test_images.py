"""What builds images and pins those of others; container engine and skopeo are stand-ins."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from deploy.local.system import ROOT
from webportal.version import VERSION

# Keeps what it is called with, and answers like a registry.
RECORDER = """#!/bin/sh
[ "$1" = info ] && exit {info}
echo "$(basename "$0") $*" >> "{log}"
case "$*" in *"{missing}"*) echo "no such image" >&2; exit 1 ;; esac
case "$*" in *inspect*) echo "sha256:$(printf %s "$*" | sha256sum | cut -c1-64)" ;; esac
"""
PINNED = re.compile(r"^([A-Z]+_IMAGE)=(\S+)@sha256:[0-9a-f]{64}$", re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the scripts read, without what this machine has pinned."""
    copy = tmp_path / "checkout"
    for name in ("containers", "compose"):
        shutil.copytree(ROOT / "deploy" / name, copy / "deploy" / name)
    (copy / "deploy" / "compose" / ".env").unlink(missing_ok=True)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def _run(
    checkout: Path,
    script: str,
    *arguments: str,
    has: tuple[str, ...],
    missing: str = "none such",
    **variables: str,
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run a script on a machine that has the named programs; return it and their calls."""
    programs, log = checkout / "programs", checkout / "calls"
    shutil.rmtree(programs, ignore_errors=True)
    programs.mkdir()
    log.write_text("")
    for name in ("docker", "podman", "buildah", "skopeo"):
        if name in has or name != "skopeo":
            # A client whose engine does not run, where it is not to be there.
            text = RECORDER.format(log=log, missing=missing, info=int(name not in has))
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
    for name in (
        "sh",
        "cat",
        "cp",
        "cut",
        "dirname",
        "basename",
        "grep",
        "mv",
        "sed",
        "sha256sum",
        "sort",
        "tail",
    ):
        (programs / name).symlink_to(shutil.which(name) or name)
    done = subprocess.run(
        [checkout / "deploy" / "containers" / script, *arguments],
        env={"PATH": str(programs), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, log.read_text().splitlines()


def test_both_images_are_built_and_tagged_for_compose_and_the_chart(checkout: Path) -> None:
    done, calls = _run(checkout, "build.sh", has=("docker", "podman"))
    assert done.returncode == 0, done.stderr
    for call, name in zip(calls, ("portal", "worker"), strict=True):
        assert call == (
            f"docker build --file deploy/containers/{name}.Dockerfile "
            f"--tag chestline/{name} --tag chestline/{name}:{VERSION} ."
        )


@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_an_image_of_podman_keeps_its_health_check(engine: str, checkout: Path) -> None:
    done, calls = _run(checkout, "build.sh", "portal", has=(engine,))
    assert done.returncode == 0, done.stderr
    (call,) = calls
    assert call.startswith(f"{engine} build --format docker ")


def test_another_worker_is_built_with_its_runtime(checkout: Path) -> None:
    _, calls = _run(checkout, "build.sh", "worker-gpu", has=("docker",))
    (call,) = calls
    assert "--build-arg EXTRA=gpu --file deploy/containers/worker.Dockerfile" in call
    assert f"--tag chestline/worker-gpu --tag chestline/worker-gpu:{VERSION} ." in call


def test_certificates_and_mirrors_are_passed_as_secrets(checkout: Path) -> None:
    _, calls = _run(
        checkout,
        "build.sh",
        has=("docker",),
        BUILD_CA="/etc/ca.pem",
        BUILD_PIP_CONF="/etc/pip.conf",
        BUILD_NPMRC="/root/.npmrc",
        BUILD_OPTIONS="--pull --no-cache",
    )
    secrets = {"ca": "/etc/ca.pem", "pip.conf": "/etc/pip.conf", "npmrc": "/root/.npmrc"}
    for call in calls:
        assert call.startswith("docker build --pull --no-cache --secret ")
        for identity, source in secrets.items():
            assert f"--secret id={identity},src={source}" in call
    text = (ROOT / "deploy" / "containers" / "portal.Dockerfile").read_text()
    assert set(re.findall(r"type=secret,id=([a-z.]+)", text)) == set(secrets)


def test_a_misspelt_image_or_no_engine_is_an_error(checkout: Path) -> None:
    for arguments, engines, says in (
        (["portals"], ("docker",), "portal, worker, worker-gpu"),
        ([], (), "No container engine answers"),
    ):
        done, calls = _run(checkout, "build.sh", *arguments, has=engines)
        assert done.returncode != 0
        assert says in done.stderr
        assert calls == []


def test_images_of_others_are_named_in_full_and_can_be_pinned() -> None:
    """Podman does not guess a registry; a name given twice has one meaning."""
    meaning: dict[str, str] = {}
    for file in sorted((ROOT / "deploy" / "compose").glob("compose*.yaml")):
        for image in re.findall(r"^ +image: (.*)$", file.read_text(), re.MULTILINE):
            if not image.startswith("chestline/"):
                found = re.fullmatch(r"\$\{([A-Z]+_IMAGE):-(\S+)\}", image)
                assert found is not None, image
                meaning[found[1]] = found[2]
    compose = (ROOT / "deploy" / "compose" / "compose.yaml").read_text()
    for file in sorted((ROOT / "deploy" / "containers").glob("*.Dockerfile")):
        text = file.read_text()
        declared = dict(re.findall(r"^ARG ([A-Z]+_IMAGE)=(\S+)$", text, re.MULTILINE))
        assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {
            f"${{{n}}}" for n in declared
        }
        for name, image in declared.items():
            assert meaning.setdefault(name, image) == image
        passed = re.search(rf"{file.name}\n(?: *#.*\n)* +args: \[(.*)\]", compose)
        assert passed is not None
        assert set(passed[1].split(", ")) == set(declared)
    assert set(meaning) == {f"{n}_IMAGE" for n in ("PYTHON", "NODE", "POSTGRES", "VALKEY", "CADDY")}
    assert all(re.match(r"docker\.io/\w+/\w+:[\w.-]+$", image) for image in meaning.values())


@pytest.mark.parametrize("program", ["skopeo", "docker"])
def test_pinning_writes_digests_that_building_uses(program: str, checkout: Path) -> None:
    settings = checkout / "deploy" / "compose" / ".env"
    settings.write_text("TIME_ZONE=Asia/Kathmandu\nPOSTGRES_IMAGE=registry.example/postgres:18\n")
    settings.chmod(0o600)
    done, asked = _run(checkout, "pin.sh", has=(program,))
    assert done.returncode == 0, done.stderr
    assert {call.split()[0] for call in asked} == {program}
    text = settings.read_text()
    pinned = dict(PINNED.findall(text))
    assert set(pinned) == {f"{n}_IMAGE" for n in ("PYTHON", "NODE", "POSTGRES", "VALKEY", "CADDY")}
    assert pinned["POSTGRES_IMAGE"] == "registry.example/postgres:18"
    assert text.splitlines()[0] == "TIME_ZONE=Asia/Kathmandu"
    assert len(text.splitlines()) == 6
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    # Again, with what it has written.
    assert _run(checkout, "pin.sh", has=(program,))[1] == asked
    assert settings.read_text() == text
    _, calls = _run(checkout, "build.sh", has=("docker",))
    lines = {line.split("=")[0]: line for line in text.splitlines()}
    assert f"--build-arg {lines['NODE_IMAGE']}" in calls[0]
    assert all(f"--build-arg {lines['PYTHON_IMAGE']}" in call for call in calls)
    assert "NODE_IMAGE" not in calls[1]


def test_a_registry_that_does_not_answer_changes_nothing(checkout: Path) -> None:
    settings = checkout / "deploy" / "compose" / ".env"
    settings.write_text("PYTHON_IMAGE=registry.example/python:3.13\n")
    done, _ = _run(checkout, "pin.sh", has=("skopeo",), missing="valkey")
    assert done.returncode != 0
    assert settings.read_text() == "PYTHON_IMAGE=registry.example/python:3.13\n"
    assert not settings.with_name(".env.new").exists()
