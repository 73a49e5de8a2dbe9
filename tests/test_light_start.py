"""Every process and every command of manage.py sets Django up, which has to cost little."""

import subprocess
import sys

from ml.images.codes import MAX_LENGTH
from webportal.inference.purpose.rule import DESCRIPTION_LENGTH

HEAVY = {"PIL", "boto3", "celery", "numpy", "onnxruntime", "pydicom", "redis"}


def test_django_is_set_up_without_what_only_some_processes_need() -> None:
    code = f"import django, sys; django.setup(); print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_descriptions_are_judged_at_the_length_at_which_they_are_stored() -> None:
    assert DESCRIPTION_LENGTH == MAX_LENGTH
