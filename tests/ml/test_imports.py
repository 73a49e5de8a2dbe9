"""What the portal and the commands import of this package stays free of heavy libraries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml.serving.package import SHIPPED_PACKAGE

HEAVY = ("tensorflow", "keras", "jax", "torch", "matplotlib", "django")


@pytest.mark.parametrize(
    "module",
    [
        "ml.serving.package",
        "ml.images",
        "ml.serving.assessment",
        "ml.serving.predictor",
        "ml.__main__",
    ],
)
def test_importing_does_not_load_heavy_libraries(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_runtime_keeps_no_record_of_its_use(tmp_path: Path) -> None:
    """ONNX Runtime would write an identifier of the machine, and events to report, below HOME."""
    code = (
        "import sys; from pathlib import Path;"
        "from ml.serving.runtimes.onnxruntime import ONNXRuntime; ONNXRuntime(Path(sys.argv[1]))"
    )
    network = min(SHIPPED_PACKAGE.glob("*.onnx"))
    environment = {**os.environ, "HOME": str(tmp_path)}
    # Set by this process as soon as it loads a runtime; the code has to do it by itself.
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    environment.pop("XDG_CACHE_HOME", None)
    subprocess.run([sys.executable, "-c", code, str(network)], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []
