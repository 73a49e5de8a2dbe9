"""A picture is wrapped at intake and again when it is repaired, with the same attributes."""

import ast
from dataclasses import fields

from deploy.local.system import ROOT
from webportal.intake.checks.wrapping import Header

PIPELINE = ROOT / "webportal" / "intake" / "pipeline"
#: No form and no sheet asks for it.
NOT_ASKED = {"study_description"}


def _given(module: str) -> set[str | None]:
    """The most attributes that a Header is given in a module."""
    calls = [
        {keyword.arg for keyword in node.keywords}
        for node in ast.walk(ast.parse((PIPELINE / module).read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "wrapping.Header"
    ]
    return max(calls, key=len)


def test_a_picture_gets_every_attribute_and_keeps_it_when_repaired() -> None:
    every = {each.name for each in fields(Header)} - NOT_ASKED
    assert _given("check.py") == every, "header_for in check.py"
    assert _given("repair.py") == every, "_wrap_again in repair.py"
