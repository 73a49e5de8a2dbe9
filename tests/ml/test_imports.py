"""What the portal imports of this package stays free of deep-learning libraries."""

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "jax", "torch")


@pytest.mark.parametrize("module", ["ml.package", "ml.images", "ml.assessment", "ml.predictor"])
def test_import_does_not_load_a_deep_learning_library(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
