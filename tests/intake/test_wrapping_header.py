"""A picture is wrapped with the same attributes at intake, after a decision, and when repaired."""

import ast
from dataclasses import fields

from deploy.local.system import ROOT
from webportal.intake.checks.wrapping import Header

INTAKE = ROOT / "webportal" / "intake"
#: No form and no sheet asks for it.
NOT_ASKED = {"study_description"}
#: A decision on a held file does not change it.
NOT_DECIDED = {"referring_physician_name"}
EVERY = {each.name for each in fields(Header)} - NOT_ASKED


def _given(module: str, function: str) -> set[str | None]:
    """The most attributes of a Header that a module gives to a call of a function."""
    calls = [
        {keyword.arg for keyword in node.keywords}
        for node in ast.walk(ast.parse((INTAKE / module).read_text()))
        if isinstance(node, ast.Call)
        and function in (ast.unparse(node.func), f"{ast.unparse(node.func)}({_first(node)})")
    ]
    return max(calls, key=len)


def _first(call: ast.Call) -> str:
    return ast.unparse(call.args[0]) if call.args else ""


def test_a_picture_gets_every_attribute_and_keeps_it_when_repaired() -> None:
    assert _given("pipeline/check.py", "wrapping.Header") == EVERY, "header_for in check.py"
    assert _given("pipeline/repair.py", "wrapping.Header") == EVERY, "_wrap_again in repair.py"


def test_a_decision_on_a_held_picture_reaches_every_attribute() -> None:
    decided = _given("held/resolution.py", "replace(header)")
    assert decided == EVERY - NOT_DECIDED, "_check_again in resolution.py"
