"""What every command and process waits for as it starts stays free of libraries that few use."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django.fixtures import Settings

from tests import dicom_files

SLOW = ("celery", "highdicom", "pydicom", "numpy", "PIL", "fido2", "cryptography")
START = f"import sys, django; django.setup(); print([m for m in {SLOW} if m in sys.modules])"

# What documents, the DICOM network, identity providers and the capacity planner need; and GDCM,
# 200 modules of migrations, and what sends hints.
NOT_OF_THE_PORTAL = (
    *("highdicom", "pydicom.sr", "pynetdicom", "authlib", "joserfc", "simpy", "_gdcm", "celery"),
    "webportal.records.migrations.0001_initial",
)
AS_THE_PORTAL = f"""
import sys
from webportal.server.gdcm_later import load_gdcm_once_needed
load_gdcm_once_needed()
from webportal.wsgi import application
from webportal.server.bridge import Bridge
Bridge(application)
from webportal.database.migrated import missing_migrations
missing_migrations()
print([m for m in {NOT_OF_THE_PORTAL} if m in sys.modules])
"""
# From several threads, as readers ask for images.
DECODE = """
from concurrent.futures import ThreadPoolExecutor
from ml import images
data = open(sys.argv[1], "rb").read()
with ThreadPoolExecutor(4) as threads:
    found = list(threads.map(images.read_stored, [data] * 8))
print({each.pixels.sum().item() for each in found}, "_gdcm" in sys.modules)
"""
# It is refused, after all that a worker does before.
WORKER = """
import atexit, sys
from workers.app import app
atexit.register(lambda: print("webportal.site.urls" in sys.modules))
app.worker_main(["worker", "--pool", "threads"])
"""


def test_setting_django_up_loads_no_library_that_few_use() -> None:
    assert _printed(START) == ["[]"]


def test_the_portal_starts_without_what_its_pages_do_not_need() -> None:
    assert _printed(AS_THE_PORTAL) == ["[]"]


def test_the_portal_loads_gdcm_for_the_first_image_that_needs_it(tmp_path: Path) -> None:
    pixels = dicom_files.phantom()
    image = tmp_path / "lossless.dcm"
    image.write_bytes(dicom_files.compressed(dicom_files.dicom(pixels), "JPEGLosslessProcess14_1"))
    assert _printed(AS_THE_PORTAL + DECODE, str(image))[1] == f"{{{pixels.sum()}}} True"


def test_a_worker_loads_no_page() -> None:
    done = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True)
    assert "It needs --pool prefork or solo" in done.stderr
    assert done.stdout.strip() == "False"


@pytest.mark.django_db
def test_prepare_checks_the_settings(settings: Settings) -> None:
    """Most processes that it is for leave that to it."""
    settings.EMERGENCY_ACCESS_MINUTES = 0
    with pytest.raises(SystemCheckError, match="EMERGENCY_ACCESS_MINUTES must be at least 1"):
        call_command("prepare", verbosity=0)


def _printed(program: str, *arguments: str) -> list[str]:
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()
