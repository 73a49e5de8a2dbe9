"""Software bills of materials (CycloneDX): `python -m tools.sbom [FOLDER]`, by default var/sbom.

`python.json` lists the packages pinned in `requirements.lock`, `npm.json` those in the front end's
lock file, with hashes. Both are validated against the schema. Neither needs a package index.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator

from deploy.local.frontend import FRONTEND, node_environment
from deploy.local.system import ROOT
from webportal.version import VERSION

_NPM = ("npm", "sbom", "--sbom-format", "cyclonedx", "--package-lock-only")


def main() -> None:
    """Write both files and print where."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "var" / "sbom"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("python.json", _of_python()), ("npm.json", _of_npm())):
        _validate(name, text)
        (folder / name).write_text(text)
        print(f"{folder / name}: {len(json.loads(text)['components'])} components")


def _of_python() -> str:
    command = (
        *(str(Path(sys.executable).with_name("cyclonedx-py")), "requirements", "requirements.lock"),
        *("--pyproject", "pyproject.toml", "--output-format", "JSON", "--output-reproducible"),
    )
    # A lock file does not contain dependencies between packages, which is all the warning is about.
    environment = {**os.environ, "PYTHONWARNINGS": "ignore::UserWarning:cyclonedx.model.bom"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def _of_npm() -> str:
    """The output of `npm sbom` for a copy with a version, which npm needs and the project lacks."""
    with tempfile.TemporaryDirectory() as folder:
        # npm names the root component after its folder.
        copied = Path(folder) / "chestline-frontend"
        copied.mkdir()
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(FRONTEND / name, copied)
        for name in ("package.json", "package-lock.json"):
            file = copied / name
            document = json.loads(file.read_text())
            document["version"] = VERSION
            if "packages" in document:
                document["packages"][""]["version"] = VERSION
            file.write_text(json.dumps(document))
        done = subprocess.run(
            _NPM, cwd=copied, env=node_environment(), check=True, stdout=subprocess.PIPE, text=True
        )
    return done.stdout


def _validate(name: str, text: str) -> None:
    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    error = make_schemabased_validator(OutputFormat.JSON, version).validate_str(text)
    if error is not None:
        sys.exit(f"{name} does not follow the schema of CycloneDX {version.to_version()}: {error}")


if __name__ == "__main__":
    main()
