"""How `make audit` reports known vulnerabilities."""

import json
from typing import Any

from tools import audit


def pip_audit(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_known_vulnerability_is_named_with_its_fix() -> None:
    known = {"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": "Bad"}
    output = pip_audit(
        {"name": "good", "version": "2.0", "vulns": []},
        {"name": "bad", "version": "1.0", "vulns": [known, known | {"fix_versions": []}]},
    )
    assert audit.read_pip_audit(output) == (
        ["bad 1.0: PYSEC-1, fixed in 1.1", "bad 1.0: PYSEC-1, fixed in no version"],
        "",
    )
    npm = {"vulnerabilities": {"bad": {"range": "<2", "severity": "high"}}}
    assert audit.read_npm_audit(json.dumps(npm)) == (["bad <2: high"], "")


def test_nothing_is_not_taken_for_safe() -> None:
    skipped = {"name": "a", "skip_reason": "Dependency not found on PyPI"}
    findings, why = audit.read_pip_audit(
        pip_audit(skipped, {"name": "b", "version": "1", "vulns": []})
    )
    assert findings == []
    assert why == "the advisory database does not answer for 1 of 2 packages."
    assert audit.read_pip_audit("")[1] == "pip-audit reached no advisory database."
    refused = {"message": "405 Method Not Allowed", "method": "POST"}
    assert audit.read_npm_audit(json.dumps(refused))[1] == "the registry has no advisory database."
