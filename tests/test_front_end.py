"""Static files: compressed, cached by browsers, and kept while a running portal refers to them."""

import json
import os
import time
from pathlib import Path

import pytest
from django.test import Client

from deploy.local.frontend import DIST, KEPT_SECONDS, remove_old_files


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [("gzip, deflate, br, zstd", "br"), ("gzip, deflate", "gzip"), ("identity", None)],
)
def test_built_files_are_sent_compressed(client: Client, accepted: str, sent: str | None) -> None:
    response = client.get(built("src/viewer.ts"), headers={"accept-encoding": accepted})
    assert response.headers.get("Content-Encoding") == sent
    assert response.headers["Vary"] == "Accept-Encoding"
    body = response.getvalue()
    whole = client.get(built("src/viewer.ts")).getvalue()
    assert len(body) < len(whole) / 2 if sent else body == whole


def test_only_files_with_hashed_names_are_cached_for_a_year(client: Client) -> None:
    kept = client.get(built("src/main.ts")).headers["Cache-Control"]
    assert kept == "max-age=315360000, public, immutable"
    assert client.get("/static/icon.svg").headers["Cache-Control"] == "max-age=60, public"


def test_files_of_the_previous_build_are_kept_for_a_while(tmp_path: Path) -> None:
    now = time.time()
    ages = {"of-now.js": 0, "of-the-build-before.js": KEPT_SECONDS / 2, "old.js": 2 * KEPT_SECONDS}
    (tmp_path / "assets").mkdir()
    for name, age in ages.items():
        file = tmp_path / "assets" / name
        file.touch()
        os.utime(file, (now - age, now - age))
    remove_old_files(tmp_path, now)
    left = {file.name for file in (tmp_path / "assets").iterdir()}
    assert left == {"of-now.js", "of-the-build-before.js"}


def built(source: str) -> str:
    """The address of what the build made of a source."""
    manifest = json.loads((DIST / ".vite" / "manifest.json").read_text())
    return f"/static/dist/{manifest[source]['file']}"
