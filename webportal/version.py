"""The version of Chestline. `pyproject.toml` is the only place that it is written in."""

import tomllib
from pathlib import Path

from django.http import HttpRequest

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
VERSION: str = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"]


def chestline_version(_request: HttpRequest) -> dict[str, str]:
    """Context processor: gives templates the version."""
    return {"chestline_version": VERSION}
