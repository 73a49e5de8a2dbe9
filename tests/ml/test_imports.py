"""What the portal and the commands import of this package stays free of heavy libraries."""

import subprocess
import sys

import pytest

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
