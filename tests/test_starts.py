"""What every command and process waits for as it starts stays free of libraries that few use."""

import subprocess
import sys

SLOW = ("celery", "highdicom", "pydicom", "numpy", "PIL", "fido2", "cryptography")
START = f"import sys, django; django.setup(); print([m for m in {SLOW} if m in sys.modules])"


def test_setting_django_up_loads_no_library_that_few_use() -> None:
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
