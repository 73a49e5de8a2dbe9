"""The bills of materials list everything that is locked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.system import ROOT

pytest.importorskip("cyclonedx", reason="the extra supply-chain is not installed")


def test_the_bills_of_materials_are_valid_and_complete(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "tools.sbom", str(tmp_path)], cwd=ROOT, check=True)
    locked = {
        line.split("==")[0]
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if "==" in line and line[0].isalpha()
    }
    python = json.loads((tmp_path / "python.json").read_text())
    assert {each["name"] for each in python["components"]} == locked
    npm = json.loads((tmp_path / "npm.json").read_text())
    assert any(each["name"] == "htmx.org" for each in npm["components"])
