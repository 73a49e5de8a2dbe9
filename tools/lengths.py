"""Check: no module, template or style sheet has more than 400 lines.

Migrations are not counted, because Django writes them.
"""

from collections.abc import Mapping

from deploy.local.system import ROOT

MOST_LINES = 400
FOLDERS = (
    *("bench", "chaos", "deploy", "fuzz", "ml", "scheduler", "tests", "tools", "webportal"),
    "workers",
)
SUFFIXES = {".css", ".html", ".py", ".ts"}
_LEFT_OUT = {"dist", "migrations", "node_modules"}


def are_short() -> bool:
    """Print the modules that are too long; return whether there are none."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    sources = {
        str(path.relative_to(ROOT)): path.read_text()
        for path in files
        if path.suffix in SUFFIXES and not _LEFT_OUT & set(path.parts)
    }
    found = too_long(sources)
    for name, lines in found.items():
        print(f"{name} has {lines} lines, more than {MOST_LINES}: split it")
    return not found


def too_long(sources: Mapping[str, str]) -> dict[str, int]:
    """Return the lines of those sources (by path) that have too many."""
    lines = {name: len(text.splitlines()) for name, text in sorted(sources.items())}
    return {name: count for name, count in lines.items() if count > MOST_LINES}
