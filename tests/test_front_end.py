"""A front end that is built anew while the portal runs."""

import json
from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.test import RequestFactory
from django_vite.core.asset_loader import DjangoViteConfig
from pytest_django.fixtures import Settings

from webportal.front_end import FrontEnd, StaticFiles


@pytest.fixture
def dist(tmp_path: Path, settings: Settings) -> Path:
    settings.STATICFILES_DIRS = [tmp_path]
    return tmp_path / "dist"


def build(dist: Path, version: str) -> None:
    """Do as Vite does: empty the folder, then write files with a hash in their names."""
    for old in dist.glob("*.js"):
        old.unlink()
    dist.mkdir(exist_ok=True)
    (dist / f"main-{version}.js").write_text(version)
    (dist / "manifest.json").write_text(
        json.dumps({"src/main.ts": {"file": f"main-{version}.js", "isEntry": True}})
    )


def test_pages_name_the_files_of_the_newest_build(dist: Path) -> None:
    build(dist, "one")
    config = DjangoViteConfig(static_url_prefix="dist", manifest_path=dist / "manifest.json")
    front_end = FrontEnd(config)
    assert "dist/main-one.js" in front_end.generate_vite_asset("src/main.ts")
    (dist / "manifest.json").unlink()  # while a build is under way
    assert "dist/main-one.js" in front_end.generate_vite_asset("src/main.ts")
    (dist / "manifest.json").write_text("{")
    assert "dist/main-one.js" in front_end.generate_vite_asset("src/main.ts")
    build(dist, "three")
    assert "dist/main-three.js" in front_end.generate_vite_asset("src/main.ts")


def test_new_files_are_served_and_those_that_are_gone_are_not_found(dist: Path) -> None:
    def elsewhere(request: HttpRequest) -> HttpResponse:
        return HttpResponseNotFound()

    build(dist, "one")
    static_files = StaticFiles(elsewhere)

    def status(path: str) -> int:
        response = static_files(RequestFactory().get(path))
        response.close()
        return response.status_code

    assert status("/static/dist/main-one.js") == 200
    build(dist, "two")
    assert status("/static/dist/main-two.js") == 200
    assert status("/static/dist/main-one.js") == 404
    assert status("/static/dist/../../secret") == 404
