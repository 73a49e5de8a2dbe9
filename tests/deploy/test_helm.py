"""The Helm chart: rendered, held against published schemas, and against what the docs promise."""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.db import connection
from django.db.models.functions import Now

from deploy.local.frontend import FRONTEND, node_environment
from deploy.local.system import ROOT
from tests.deploy.commands import SETTINGS_READ, assert_understood
from tests.factories import make_radiograph, make_uploader
from tools.helm import find_helm
from webportal.inference.claims import claim
from webportal.inference.models import Job, JobState
from webportal.inference.pauses import pause, resume
from webportal.inference.queue import cancel, enqueue
from webportal.records.choices import Priority
from webportal.version import VERSION
from workers.limits import HARD_LIMIT_SECONDS

HELM_FOLDER = ROOT / "deploy" / "helm"
CHART = HELM_FOLDER / "chestline"
KUBERNETES = "1.34"
WITH_PROXY = ("--set", "proxy.enabled=true,proxy.host=x.example,proxy.tlsSecret=tls")
HOSPITAL = ("--values", str(HELM_FOLDER / "values-hospital.yaml"))
EVALUATION = ("--values", str(HELM_FOLDER / "values-evaluation.yaml"))
VALUES = {"default": (), "proxy": WITH_PROXY, "hospital": HOSPITAL, "evaluation": EVALUATION}
VALIDATE_KEDA = """
import { readFileSync } from "node:fs";
import * as keda from "@kubernetes-models/keda/keda.sh/v1alpha1";
for (const object of JSON.parse(readFileSync(0, "utf8"))) new keda[object.kind](object).validate();
"""

Manifest = dict[str, Any]


def _helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    helm = find_helm()
    if helm is None:
        pytest.skip("no Helm on this machine")
    return subprocess.run([helm, *arguments], capture_output=True, text=True, check=False)


def _render(*arguments: str) -> list[Manifest]:
    done = _helm("template", "chestline", str(CHART), "--namespace", "x", *arguments)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@pytest.fixture(params=VALUES, scope="module")
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    """What the chart makes of each values file that comes with it, and with its own proxy."""
    return _render(*VALUES[request.param])


def test_every_values_file_is_tried() -> None:
    assert {str(path) for path in HELM_FOLDER.glob("values-*.yaml")} == {HOSPITAL[1], EVALUATION[1]}


def _pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for manifest in manifests:
        if "template" in manifest.get("spec", {}):
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]


def _containers(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for name, pod in _pods(manifests):
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            yield f"{name}/{container['name']}", container


def _pod_labels(manifests: list[Manifest]) -> Iterator[tuple[str, dict[str, str]]]:
    for manifest in manifests:
        if "template" in manifest.get("spec", {}):
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["metadata"]["labels"]


def _of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def test_the_objects_follow_the_schemas_of_kubernetes(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        if "keda" not in manifest["apiVersion"]:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_the_objects_for_the_autoscaler_follow_its_schema() -> None:
    objects = [m for m in _render(*HOSPITAL) if "keda" in m["apiVersion"]]
    assert {each["kind"] for each in objects} == {"ScaledObject", "TriggerAuthentication"}
    assert _keda_accepts(objects)
    del objects[0]["spec"]
    assert not _keda_accepts(objects)


def _keda_accepts(objects: list[Manifest]) -> bool:
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", VALIDATE_KEDA],
        cwd=FRONTEND,
        env=node_environment(),
        input=json.dumps(objects),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ERR_MODULE_NOT_FOUND" not in done.stderr, done.stderr
    return done.returncode == 0


def test_the_chart_has_the_version_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == VERSION


def test_no_container_runs_as_root_or_writes_to_its_image(manifests: list[Manifest]) -> None:
    for name, pod in _pods(manifests):
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["runAsUser"] >= 999, name
        assert pod["automountServiceAccountToken"] is False, name
    for name, container in _containers(manifests):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"], name
        assert not context["allowPrivilegeEscalation"], name
        # What Kubernetes' restricted profile allows at most, and Caddy's program needs to start.
        added = ["NET_BIND_SERVICE"] if name.endswith("/proxy") else None
        assert context["capabilities"]["drop"] == ["ALL"], name
        assert context["capabilities"].get("add") == added, name
        assert "memory" in container["resources"]["limits"], name


def test_every_command_of_the_chart_is_understood(manifests: list[Manifest]) -> None:
    own = [(name, c) for name, c in _containers(manifests) if "chestline/" in c["image"]]
    assert {name.split("/")[1] for name, _ in own} >= {"portal", "worker", "scheduler", "prepare"}
    for name, container in own:
        command = [*container.get("command", ()), *container.get("args", ())]
        if not name.endswith("/wait-for-database"):
            assert_understood(command[2:] if command[:2] == ["python", "-m"] else command)


def test_services_policies_and_budgets_select_pods_that_exist(manifests: list[Manifest]) -> None:
    labels = [each for _, each in _pod_labels(manifests)]
    for manifest in manifests:
        spec = manifest.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector")
        if manifest["kind"] in ("Service", "NetworkPolicy", "PodDisruptionBudget"):
            wanted = selector.get("matchLabels", selector)
            assert any(wanted.items() <= each.items() for each in labels), manifest["metadata"]


def test_only_settings_that_are_read_are_handed_over(manifests: list[Manifest]) -> None:
    [settings] = (m for m in _of_kind(manifests, "ConfigMap") if "Caddyfile" not in m["data"])
    named = set(settings["data"])
    for name, container in _containers(manifests):
        if "chestline/" in container["image"]:
            named |= {each["name"] for each in container.get("env", ())}
            assert container["envFrom"][0]["configMapRef"]["name"] == "chestline", name
    assert {n if n in SETTINGS_READ else n.removesuffix("_FILE") for n in named} <= SETTINGS_READ


def test_only_the_job_that_prepares_the_database_gets_the_owners_password(
    manifests: list[Manifest],
) -> None:
    for name, pod in _pods(manifests):
        keys = {
            item["key"]
            for volume in pod["volumes"]
            for item in volume.get("secret", {}).get("items", ())
        }
        assert ("database_owner_url" in keys) == name.startswith("chestline-prepare"), name


def test_a_stopped_worker_has_longer_than_a_task_may_take() -> None:
    for manifest in _render(*HOSPITAL):
        if manifest["metadata"]["name"].startswith("chestline-worker") and (
            manifest["kind"] == "Deployment"
        ):
            seconds = manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
            assert seconds > HARD_LIMIT_SECONDS


def test_a_scaled_worker_has_no_number_of_its_own() -> None:
    manifests = _render(*HOSPITAL)
    scaled = {m["spec"]["scaleTargetRef"]["name"] for m in _of_kind(manifests, "ScaledObject")}
    assert scaled == {"chestline-worker-cpu", "chestline-worker-gpu"}
    for manifest in _of_kind(manifests, "Deployment"):
        if manifest["metadata"]["name"] in scaled:
            # Helm would set it back at every upgrade.
            assert "replicas" not in manifest["spec"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("portal.replica=3", "replica"),
        ("portal.replicas=0", "replicas"),
        ("settings.SECRET_KEY=x", "existingSecret"),
        ("settings.AUDIT_KEY_FILE=/x", "existingSecret"),
        ("settings.allowedHosts=x", "allowedHosts"),
        ("storage.url=file:///x", "url"),
        ("image.registry=registry.example", "registry"),
        # One tag for two images: a digest is that of one of them.
        (f"image.tag=sha256:{64 * '0'}", "tag"),
        ("ingress.enabled=true", "ingress.host"),
        ("proxy.enabled=true", "proxy.host"),
        ("proxy.enabled=true,proxy.host=x.example", "proxy.tlsSecret"),
        ("proxy.enabled=true,ingress.enabled=true", "one of them"),
        ("workers.GPU.enabled=true", "GPU"),
        ("receiver.allowedCIDRs[0]=10.0.0.1", "allowedCIDRs"),
    ],
)
def test_wrong_values_are_rejected(setting: str, said: str) -> None:
    done = _helm("template", "chestline", str(CHART), "--set", setting)
    assert done.returncode != 0
    assert said in done.stderr


def test_an_image_is_named_by_tag_or_by_digest() -> None:
    digest = f"chestline/portal@sha256:{64 * '0'}"
    own = ("--set", "image.registry=registry.example/", "--set", f"image.portal={digest}")
    images = {c["image"] for _, c in _containers(_render(*own))}
    assert images == {f"registry.example/{digest}", f"registry.example/chestline/worker:{VERSION}"}


def test_an_ingress_needs_a_certificate_and_makes_cookies_secure() -> None:
    host = ("--set", "ingress.enabled=true,ingress.host=x.example")
    assert "HTTPS" in _helm("template", "chestline", str(CHART), *host).stderr
    manifests = _render(*host, "--set", "ingress.tlsSecret=tls")
    [settings] = _of_kind(manifests, "ConfigMap")
    assert settings["data"]["BEHIND_HTTPS"] == "true"
    assert settings["data"]["ALLOWED_HOSTS"].split(",") == ["127.0.0.1", "localhost", "x.example"]


def test_the_proxy_of_the_chart_is_the_only_way_to_the_portal() -> None:
    manifests = _render(*WITH_PROXY)
    [settings] = (m for m in _of_kind(manifests, "ConfigMap") if "Caddyfile" not in m["data"])
    assert settings["data"]["BEHIND_HTTPS"] == "true"
    assert settings["data"]["CSRF_TRUSTED_ORIGINS"] == "https://x.example"
    assert settings["data"]["ALLOWED_HOSTS"].split(",") == ["127.0.0.1", "localhost", "x.example"]
    [portal] = (
        policy["spec"]["ingress"]
        for policy in _of_kind(manifests, "NetworkPolicy")
        if policy["metadata"]["name"] == "chestline-portal"
    )
    [allowed] = portal[0]["from"]
    labels = dict(_pod_labels(manifests))
    admitted = allowed["podSelector"]["matchLabels"].items()
    assert [name for name in labels if admitted <= labels[name].items()] == ["chestline-proxy"]


def test_the_proxy_of_the_chart_finds_what_its_configuration_names() -> None:
    manifests = _render(*WITH_PROXY)
    [proxy] = (c for name, c in _containers(manifests) if name.endswith("/proxy"))
    given = {each["name"] for each in proxy["env"]}
    [file] = (
        m["data"]["Caddyfile"]
        for m in _of_kind(manifests, "ConfigMap")
        if m["data"].get("Caddyfile")
    )
    assert given == set(re.findall(r"\{\$(\w+)", file))
    [service] = (
        m for m in _of_kind(manifests, "Service") if m["metadata"]["name"] == "chestline-proxy"
    )
    ports = {port["name"]: port["containerPort"] for port in proxy["ports"]}
    environment = {each["name"]: each["value"] for each in proxy["env"]}
    assert ports == {
        "http": int(environment["HTTP_PORT"]),
        "https": int(environment["HTTPS_PORT"]),
    }
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
    mounted = {mount["mountPath"] for mount in proxy["volumeMounts"]}
    for certificate in environment["PORTAL_TLS"].split():
        assert str(Path(certificate).parent) in mounted
    [upstream] = (
        m for m in _of_kind(manifests, "Service") if m["metadata"]["name"] == "chestline-portal"
    )
    [port] = upstream["spec"]["ports"]
    assert environment["PORTAL_UPSTREAM"] == f"chestline-portal:{port['port']}"


def test_the_secret_has_every_key_that_is_mounted() -> None:
    made = [
        subprocess.run(
            [HELM_FOLDER / "make-secret.sh", *arguments], capture_output=True, text=True, check=True
        ).stdout
        for arguments in (
            ("--bundled", "chestline"),
            ("--database-host", "pg.example", "--broker-host", "broker.example"),
        )
    ]
    first, second = map(yaml.safe_load, made)
    kubernetes_validate.validate(first, KUBERNETES, strict=True)
    mounted = {
        item["key"]
        for _, pod in _pods(_render(*EVALUATION))
        for volume in pod["volumes"]
        for item in volume.get("secret", {}).get("items", ())
    }
    assert mounted == set(first["stringData"])
    services = {m["metadata"]["name"] for m in _of_kind(_render(*EVALUATION), "Service")}
    for key in ("database_url", "database_owner_url", "broker_url"):
        host = re.search(r"@([^:]+):", first["stringData"][key])
        assert host is not None
        assert host[1] in services
    assert "@pg.example:" in second["stringData"]["database_url"]
    assert not set(first["stringData"].values()) & set(second["stringData"].values())


def test_secrets_never_reach_the_rendered_objects(manifests: list[Manifest]) -> None:
    assert not _of_kind(manifests, "Secret")
    text = yaml.safe_dump(manifests)
    assert base64.b64encode(b"postgresql://").decode()[:12] not in text
    assert "postgresql://" not in text


@pytest.mark.django_db
def test_workers_are_scaled_by_the_jobs_that_are_unfinished() -> None:
    [query] = {
        trigger["metadata"]["query"]
        for scaled in _of_kind(_render(*HOSPITAL), "ScaledObject")
        for trigger in scaled["spec"]["triggers"]
    }

    def unfinished() -> int:
        with connection.cursor() as cursor:
            cursor.execute(query)
            [count] = cursor.fetchone()
        return int(count)

    assert unfinished() == 0
    waiting, held, stopped = (enqueue(make_radiograph(), make_uploader()) for _ in range(3))
    cancel(stopped, make_uploader())
    assert unfinished() == 2
    # Nobody may claim what is paused, so no worker is started for it.
    pause(Priority.ROUTINE, make_uploader())
    assert unfinished() == len(claim("worker", limit=100)) == 0
    resume(Priority.ROUTINE, make_uploader())
    # What a worker holds still needs it; there is no more to claim than was counted.
    assert len(claim("worker", limit=100)) == unfinished() == 2
    Job.objects.filter(pk__in=[waiting.pk, held.pk]).update(
        state=JobState.DONE, leased_until=None, finished_at=Now()
    )
    assert unfinished() == 0
