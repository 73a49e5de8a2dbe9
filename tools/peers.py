"""The tests with other people's programs: `python -m tools.peers [ARGUMENT OF PYTEST …]`.

These are OHIF (a browser viewer), Orthanc (a PACS), dcmtk's storescu, PixelMed's validator of
structured reports, Medplum's FHIR server and another FHIR validator. All are installed if possible;
`make test` leaves these tests out, because OHIF alone is a download of 25 MB.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

from deploy.local.frontend import node_environment
from deploy.local.system import ROOT
from tools.chromium import ensure_chromium
from tools.programs import ensure_program

OHIF = "3.13.2"
#: The folder of the built viewer.
OHIF_FOLDER = ROOT / "var" / "peers" / f"ohif-{OHIF}"
MEDPLUM, FHIR_VALIDATOR = "5.2.13", "4.12.0"
#: The folder with the FHIR server and validator, in `node_modules`.
FHIR_FOLDER = ROOT / "var" / "peers" / f"fhir-{MEDPLUM}-{FHIR_VALIDATOR}"
ORTHANC_PLUGINS = Path("/usr/share/orthanc/plugins")


def main() -> None:
    """Install the programs, run the tests, and exit with pytest's status."""
    os.chdir(ROOT)
    ensure_chromium()
    ensure_program("Orthanc", "orthanc-dicomweb")
    ensure_program("storescu", "dcmtk")
    ensure_program("DicomSRValidator", "pixelmed-apps")
    if not ensure_ohif():
        print(f"OHIF {OHIF} cannot be fetched from the npm registry; its test is skipped.")
    if not ensure_fhir():
        print("The FHIR server cannot be fetched from the npm registry; its test is skipped.")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "peers", "tests/peers", *sys.argv[1:]]
    sys.exit(subprocess.run(command, check=False).returncode)


def ensure_ohif() -> bool:
    """Fetch the built viewer from the npm registry if possible; return whether it is there."""
    if (OHIF_FOLDER / "package" / "dist" / "index.html").is_file():
        return True
    OHIF_FOLDER.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(
        ["npm", "pack", "--silent", f"@ohif/app@{OHIF}"],
        cwd=OHIF_FOLDER,
        env=node_environment(),
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    if packed.returncode != 0:
        return False
    archive = OHIF_FOLDER / packed.stdout.split()[-1]
    with tarfile.open(archive) as files:
        files.extraction_filter = getattr(tarfile, "data_filter", None)
        files.extractall(OHIF_FOLDER)  # noqa: S202
    archive.unlink()
    return True


def ensure_fhir() -> bool:
    """Fetch the FHIR server and validator from npm if possible; return whether they are there."""
    if (FHIR_FOLDER / "node_modules" / "@medplum" / "fhir-router").is_dir():
        return True
    FHIR_FOLDER.mkdir(parents=True, exist_ok=True)
    (FHIR_FOLDER / "package.json").write_text('{"private": true}')
    medplum = [f"@medplum/{name}@{MEDPLUM}" for name in ("core", "definitions", "fhir-router")]
    installed = subprocess.run(
        ["npm", "install", "--ignore-scripts", "--silent", *medplum, f"fhir@{FHIR_VALIDATOR}"],
        cwd=FHIR_FOLDER,
        env=node_environment(),
        check=False,
    )
    return installed.returncode == 0


if __name__ == "__main__":
    main()
