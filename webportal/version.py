"""The version of Chestline, defined only in `pyproject.toml`."""

import tomllib
from pathlib import Path

from django.http import HttpRequest

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
VERSION: str = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"]


def chestline_version(_request: HttpRequest) -> dict[str, str]:
    """Context processor: provides the version to templates."""
    return {"chestline_version": VERSION}
