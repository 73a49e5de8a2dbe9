"""Known vulnerabilities of the locked packages: `python -m tools.audit`.

pip-audit and npm audit query the advisory databases of the configured indexes. A mirror often has
none: then this program says so and exits with 2, because no answer does not mean no advisories.
With vulnerabilities it exits with 1.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.local.frontend import FRONTEND, node_environment
from deploy.local.system import ROOT

_PYTHON = (
    *(sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"),
    *("--requirement", "requirements.lock", "--format", "json", "--progress-spinner", "off"),
)
_NPM = ("npm", "audit", "--json", "--package-lock-only")


def main() -> None:
    """Print the known vulnerabilities of both kinds of packages."""
    findings, unchecked = [], []
    for name, told, missing in (_python(), _npm()):
        findings += told
        unchecked += [f"{name}: {missing}"] if missing else []
    for line in findings:
        print(line)
    for line in unchecked:
        print(f"NOT CHECKED – {line}")
    if unchecked:
        print("Nothing is known of what was not checked: ask an index with an advisory database.")
    print(f"Known vulnerabilities: {len(findings)}")
    sys.exit(1 if findings else 2 if unchecked else 0)


def _python() -> tuple[str, list[str], str]:
    output = _run(_PYTHON, ROOT)
    return "Python", *read_pip_audit(output)


def _npm() -> tuple[str, list[str], str]:
    output = _run(_NPM, FRONTEND)
    return "npm", *read_npm_audit(output)


def read_pip_audit(output: str) -> tuple[list[str], str]:
    """The findings in the output of pip-audit, and why packages were not checked, if so."""
    told = _parsed(output)
    if told is None:
        return [], "pip-audit reached no advisory database."
    skipped = [each for each in told["dependencies"] if "skip_reason" in each]
    findings = [
        f"{each['name']} {each['version']}: {known['id']}, fixed in"
        f" {', '.join(known['fix_versions']) or 'no version'}"
        for each in told["dependencies"]
        for known in each.get("vulns", ())
    ]
    why = f"the advisory database does not answer for {len(skipped)} of {len(told['dependencies'])}"
    return findings, f"{why} packages." if skipped else ""


def read_npm_audit(output: str) -> tuple[list[str], str]:
    """The same for npm audit."""
    told = _parsed(output)
    if told is None or "vulnerabilities" not in told:
        return [], "the registry has no advisory database."
    return [
        f"{name} {each['range']}: {each['severity']}"
        for name, each in told["vulnerabilities"].items()
    ], ""


def _parsed(output: str) -> dict[str, Any] | None:
    try:
        told = json.loads(output)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _run(command: Sequence[str], folder: Path) -> str:
    # Both exit with 1 for a finding and for a failure.
    done = subprocess.run(
        command, cwd=folder, env=node_environment(), check=False, capture_output=True, text=True
    )
    # There, pip-audit reports no vulnerability even if it could not look anything up.
    if not done.stdout:
        sys.stderr.write(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
