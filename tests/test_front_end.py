"""A front end that is built anew while the portal runs."""

import json
from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.test import Client, RequestFactory
from django_vite.core.asset_loader import DjangoViteConfig
from pytest_django.fixtures import Settings

from deploy.local.frontend import DIST
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


# Closing a response looks after the database's connections.
@pytest.mark.django_db
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


def test_only_files_with_a_hash_in_their_names_are_kept_for_a_year(client: Client) -> None:
    kept = "max-age=31536000, public, immutable"
    assert client.get(built("src/main.ts")).headers["Cache-Control"] == kept
    assert client.get("/static/icon.svg").headers["Cache-Control"] == "max-age=60, public"


def built(source: str) -> str:
    """The address of what the build made of a source."""
    manifest = json.loads((DIST / ".vite" / "manifest.json").read_text())
    return f"/static/dist/{manifest[source]['file']}"
