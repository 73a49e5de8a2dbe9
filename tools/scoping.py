"""Check: whatever works on behalf of a person sees only what the person may see.

Rows of a study or an upload (models based on `OfStudy`) are read through
`Model.objects.visible_to(person)` or `in_departments_of(person)`. Any other code that reads them is
found here and fails `make check`, unless it

- continues with an object that it was given (`pk=study.pk`, `study=study`, `study=OuterRef("pk")`),
- or is listed in `WITHOUT_A_PERSON` or `HANDED_OVER`, with the reason.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from deploy.local.system import ROOT
from tools.unscoped import HANDED_OVER, WITHOUT_A_PERSON

SCOPES = {"visible_to", "in_departments_of"}
CREATING = {"create", "bulk_create"}
MANAGERS = {"objects", "_default_manager", "_base_manager"}
# Managers of a patient's or a correction's studies, of all departments.
RELATED = {"studies"}
QUERYING = {
    *("aggregate", "all", "annotate", "count", "defer", "exclude", "exists", "filter", "first"),
    *("get", "in_bulk", "last", "only", "order_by", "prefetch_related", "select_for_update"),
    *("select_related", "values", "values_list"),
}
SHORTCUTS = {"get_object_or_404", "get_list_or_404"}
BASE = "OfStudy"
IN_TEMPLATES = re.compile(r"\.studies\.(all|count|exists|first|last)\b")


class Found(NamedTuple):
    """A place that reads rows without saying on whose behalf."""

    file: str
    line: int
    function: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.function}: {self.what}"


def is_scoped() -> bool:
    """Print the code that reads rows of other departments; return whether there is none."""
    files = sorted(
        path
        for folder in ("webportal", "workers", "scheduler")
        for path in (ROOT / folder).rglob("*.py")
        if not {"migrations", "node_modules"} & set(path.parts)
    )
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in files}
    found = [*unscoped(sources), *_in_templates(ROOT / "webportal" / "templates")]
    for each in found:
        print(f"{each}: read it through visible_to(person), or say why not in tools/unscoped.py")
    stale = stale_exceptions(sources)
    for name in stale:
        print(f"tools/unscoped.py: {name} reads nothing unscoped any more")
    return not found and not stale


def unscoped(sources: dict[str, str]) -> list[Found]:
    """Return the places in the sources (by path) that read unscoped rows without an exception."""
    return [each for each in _all(sources) if not _is_allowed(each)]


def stale_exceptions(sources: dict[str, str]) -> list[str]:
    """Return the exceptions that allow nothing."""
    found = list(_all(sources))
    used = {each.file for each in found}
    places = {f"{each.file}:{each.function}" for each in found}
    return [
        name
        for name in WITHOUT_A_PERSON
        if not any(file == name or file.startswith(f"{name}/") for file in used)
    ] + [name for name in HANDED_OVER if name not in places]


def _is_allowed(found: Found) -> bool:
    parents = {str(each) for each in (Path(found.file), *Path(found.file).parents)}
    return bool(parents & set(WITHOUT_A_PERSON)) or (
        f"{found.file}:{found.function}" in HANDED_OVER
    )


def _all(sources: dict[str, str]) -> Iterator[Found]:
    trees = {name: ast.parse(source) for name, source in sources.items()}
    models = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == BASE for base in node.bases)
    }
    for name, tree in trees.items():
        yield from _in_module(name, tree, models)


def _in_module(name: str, tree: ast.Module, models: set[str]) -> Iterator[Found]:
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    models = models | _other_names(tree, models)
    for node in ast.walk(tree):
        what = _reads(node, parents, models)
        if what and not _is_of_something_known(node, parents):
            yield Found(name, getattr(node, "lineno", 0), _function_of(node, parents), what)


def _other_names(tree: ast.Module, models: set[str]) -> set[str]:
    """The names under which a module has imported models, where it gives them names of its own."""
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    aliases = (alias for node in imports for alias in node.names)
    return {alias.asname for alias in aliases if alias.asname and alias.name in models}


def _name(node: ast.AST | None) -> str:
    """The last part of a name: `Study` of `Study` and of `models.Study`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _reads(node: ast.AST, parents: dict[ast.AST, ast.AST], models: set[str]) -> str:
    """The model that a node reads without a scope, '' for none."""
    parent = parents.get(node)
    if isinstance(node, ast.Attribute) and node.attr in MANAGERS:
        model = _name(node.value)
        scoped = isinstance(parent, ast.Attribute) and parent.attr in SCOPES | CREATING
        return f"{model}.{node.attr}" if model in models and not scoped else ""
    if isinstance(node, ast.Attribute) and node.attr in RELATED:
        queried = isinstance(parent, ast.Attribute) and parent.attr in QUERYING
        return f".{node.attr}.{parent.attr}" if queried else ""  # type: ignore[union-attr]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        first = node.args[0] if node.args else None
        if node.func.id in SHORTCUTS and _name(first) in models:
            return f"{node.func.id}({_name(first)})"
        if node.func.id in SHORTCUTS and isinstance(first, ast.Attribute) and first.attr in RELATED:
            return f"{node.func.id}(….{first.attr})"
    return ""


def _is_of_something_known(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether the chain of calls is restricted to an object that the function was given."""
    current: ast.AST | None = node
    while isinstance(current, (ast.Attribute, ast.Call)):
        if isinstance(current, ast.Call) and any(map(_is_object, current.keywords)):
            return True
        parent = parents.get(current)
        if isinstance(parent, ast.Call) and parent.func is not current:
            return False
        current = parent
    return False


def _is_object(keyword: ast.keyword) -> bool:
    """Whether it names an object at hand, such as `study=study` or `pk=study.pk`."""
    name, value = keyword.arg or "", keyword.value
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id == "OuterRef"
    if name == "pk":
        return isinstance(value, ast.Attribute) and (
            value.attr == "pk" or value.attr.endswith("_id")
        )
    of = {"study", "radiograph", "read", "patient", "radiograph__study", "read__study", "batch"}
    if name not in of:
        return False
    text = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
    return bool(text) and (isinstance(value, ast.Attribute) or not text.endswith(("_id", "id")))


def _function_of(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> str:
    current: ast.AST | None = node
    while current is not None:
        if isinstance(current, (ast.FunctionDef, ast.ClassDef)):
            return current.name
        current = parents.get(current)
    return "<module>"


def _in_templates(folder: Path) -> Iterator[Found]:
    for path in sorted(folder.rglob("*.html")):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if match := IN_TEMPLATES.search(line):
                yield Found(str(path.relative_to(ROOT)), number, "template", match.group())
