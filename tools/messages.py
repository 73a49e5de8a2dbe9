"""Collects the translatable texts into the catalogues, and compiles them.

`make messages` runs it after texts have changed. It uses Babel, so that no machine needs GNU
gettext. The compiled catalogues are committed, so that an installation needs neither.
"""

import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[1]
LOCALE = ROOT / "webportal" / "locale"
CODE = ("webportal", "workers", "scheduler", "ml")
LEFT_OUT = {"node_modules", "migrations", "static"}
Keywords = dict[str, tuple[int, ...] | None]
KEYWORDS: Keywords = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    # English templates with `{}` fields, translated when shown.
    "PackageError": (1,),
    "translatable": None,
}
Text = str | tuple[str, ...]


def main() -> None:
    """Update and compile every catalogue."""
    for source in sorted(LOCALE.glob("*/LC_MESSAGES/django.po")):
        catalog = updated(source)
        source.write_bytes(as_po(catalog))
        source.with_suffix(".mo").write_bytes(as_mo(catalog))
        missing = sum(not is_translated(message) for message in catalog if message.id)
        print(f"{source.relative_to(ROOT)}: {len(catalog)} texts, {missing} without a translation")


def texts() -> Iterator[tuple[str, Text]]:
    """Yield each text in templates and code, with its file."""
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".html", ".txt", ".py") or LEFT_OUT & set(path.parts):
                continue
            source = path.read_text()
            if path.suffix != ".py":
                source = _as_python(source)
            found = extract("python", io.BytesIO(source.encode()), KEYWORDS)
            for _line, text, _comments, _context in found:
                yield str(path.relative_to(ROOT)), text


def updated(source: Path) -> Catalog:
    """Return the catalogue with the current texts: new ones added empty, unused ones removed."""
    catalog = read_catalog(source)
    template = Catalog()
    for name, text in texts():
        template.add(text, locations=[(name, 0)])
    catalog.update(template, no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    return catalog


def read_catalog(source: Path) -> Catalog:
    """Read a catalogue; the name of its folder is its language."""
    with source.open("rb") as file:
        return read_po(file, locale=source.parents[1].name)


def as_po(catalog: Catalog) -> bytes:
    """Return a catalogue as a .po file, sorted, so that changes are easy to review."""
    file = io.BytesIO()
    write_po(file, catalog, width=100, sort_output=True, include_lineno=False)
    return file.getvalue()


def as_mo(catalog: Catalog) -> bytes:
    """Return a catalogue as a compiled .mo file."""
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def is_translated(message: Message) -> bool:
    """Whether there is a translation, including every plural form."""
    return bool(message.string) and all(message.string or ())


def _as_python(template: str) -> str:
    """Return a template's texts as calls of gettext, without indentation, as Python requires."""
    return "\n".join(line.strip() for line in templatize(template).splitlines())


if __name__ == "__main__":
    main()
