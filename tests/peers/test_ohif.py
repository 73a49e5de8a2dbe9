"""OHIF, the viewer that many hospitals use, opens a study from another origin."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import requests
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, Response

from tests import dicom_files as files
from tests.dicomweb.conftest import BOUNDARY, in_parts
from tests.e2e.browser import WEBGL, chromium, note_complaints
from tests.factories import make_prediction
from tests.helpers import let_time_pass, wait_until
from tests.peers.conftest import Portal
from tests.reading import read
from tools.peers import OHIF_FOLDER
from webportal.accounts.models import User
from webportal.delivery.documents.hottest import hottest_region
from webportal.records.models import Radiograph
from webportal.review.reads.marks import Mark

pytestmark = pytest.mark.peers

VIEWER = OHIF_FOLDER / "package" / "dist"
STUDY = "1.2.3"
SIZE = (700, 600)
CANVAS = "canvas.cornerstone-canvas"
CONFIGURATION = """
window.config = {
  routerBasename: null, extensions: [], modes: [], showStudyList: true, maxNumberOfWebWorkers: 2,
  showWarningMessageForCrossOrigin: false, showCPUFallbackMessage: false,
  investigationalUseDialog: {option: 'never'},
  defaultDataSourceName: 'chestline',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
    sourceName: 'chestline',
    configuration: {
      friendlyName: 'Chestline', name: 'chestline', qidoRoot: ROOT, wadoRoot: ROOT,
      qidoSupportsIncludeField: true, imageRendering: 'wadors', thumbnailRendering: 'wadors',
      enableStudyLazyLoad: true, supportsFuzzyMatching: false, supportsWildcard: true,
      bulkDataURI: {enabled: true},
    },
  }],
};
"""


class Handler(SimpleHTTPRequestHandler):
    """Serves the built viewer; its routes are all the same page."""

    configuration = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/app-config.js":
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript")
            self.end_headers()
            self.wfile.write(self.configuration.encode())
            return
        if not Path(self.translate_path(path)).is_file():
            self.path = "/index.html"
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def viewer() -> Iterator[ThreadingHTTPServer]:
    """The viewer on an origin of its own."""
    if not (VIEWER / "index.html").is_file():
        pytest.skip("OHIF is not there: run make test-peers")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(VIEWER)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def portal(viewer: ThreadingHTTPServer, start_portal: Callable[..., Portal]) -> Portal:
    """A server that lets the viewer in, with a study of one image."""
    portal = start_portal(DICOMWEB_ORIGINS=origin_of(viewer))
    Handler.configuration = CONFIGURATION.replace("ROOT", json.dumps(portal.root))
    image = files.dicom(
        files.phantom(bits=12, size=SIZE),
        bits=12,
        StudyInstanceUID=STUDY,
        SeriesInstanceUID="1.2.3.4",
        SeriesDescription="PA",
        InstanceNumber=1,
        SeriesNumber=1,
    )
    stored = requests.post(
        f"{portal.root}/studies",
        data=in_parts(image),
        headers=portal.headers
        | {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
        },
        timeout=90,
    )
    assert stored.status_code == 200
    return portal


def origin_of(viewer: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{viewer.server_address[1]}"


@contextmanager
def opened(viewer: ThreadingHTTPServer, portal: Portal) -> Iterator[Page]:
    """The study in the viewer, which has drawn its image; fails if there was an error."""
    errors: list[str] = []

    def note(response: Response) -> None:
        if response.status >= 400:
            errors.append(f"{response.status} {response.url}")

    with chromium(*WEBGL) as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.set_default_timeout(30_000)
        # A first visit begins with a tour, which covers the page and darkens the image.
        page.add_init_script("localStorage.setItem('shownTours', '[\"basicViewerTour\"]')")
        note_complaints(page, errors)
        page.on("response", note)
        page.goto(f"{origin_of(viewer)}/viewer?StudyInstanceUIDs={STUDY}&token={portal.token}")
        page.locator(CANVAS).first.wait_for()
        wait_until(lambda: errors or greys(page) > 100, "OHIF drew the image")
        yield page
    assert errors == []


def greys(page: Page) -> int:
    """How many greys its picture has."""
    picture = page.locator(CANVAS).first.screenshot()
    return len(np.unique(np.asarray(Image.open(BytesIO(picture)).convert("L"))))


def test_ohif_draws_a_study_without_an_error(
    viewer: ThreadingHTTPServer, portal: Portal, tmp_path: Path
) -> None:
    with opened(viewer, portal) as page:
        page.screenshot(path=tmp_path / "page.png")


def box_of(page: Page, series: str) -> NDArray[np.float64]:
    """Open a series; the upper left and lower right corner of what is drawn on the image."""
    page.get_by_text(series).dblclick()
    drawn = page.locator("svg.svg-layer polyline")

    def is_drawn() -> bool:
        if not drawn.count():
            # OHIF sometimes notes what the pane shows after it has drawn it for the last time, and
            # draws no box until something else makes it draw again, as fitting the image does.
            page.keyboard.press("=")
        return drawn.count() > 0

    wait_until(is_drawn, "OHIF drew the region")
    points = re.findall(r"[\d.]+", drawn.get_attribute("points") or "")
    places = np.array(points, float).reshape(-1, 2)
    return np.array([places.min(axis=0), places.max(axis=0)])


def test_ohif_shows_the_region_of_the_model_on_the_image(
    viewer: ThreadingHTTPServer, portal: Portal, tmp_path: Path
) -> None:
    region = hottest_region(make_prediction(Radiograph.objects.get()))
    assert region is not None
    with opened(viewer, portal) as page:
        (left, top), (right, bottom) = box_of(page, "AI region, not verified")
        page.screenshot(path=tmp_path / "page.png")
    # The image fills the height, and the region reaches its lower edge.
    rows, _columns = SIZE
    scale = bottom / rows
    assert region.bottom == rows
    assert top == pytest.approx(region.top * scale, abs=1)
    assert right - left == pytest.approx((region.right - region.left) * scale, abs=1)


def test_ohif_shows_the_marks_of_a_read(
    viewer: ThreadingHTTPServer, portal: Portal, radiologist: User, tmp_path: Path
) -> None:
    image = Radiograph.objects.get()
    read(
        make_prediction(image),
        radiologist,
        "definite",
        marks=(Mark(image.pk, "pneumonia", 100, 200, 150, 300),),
    )
    let_time_pass()
    with opened(viewer, portal) as page:
        (left, top), (right, bottom) = box_of(page, "Marks of the read, verified")
        page.screenshot(path=tmp_path / "page.png")
    assert (right - left) / (bottom - top) == pytest.approx(150 / 300, abs=0.01)
    assert top / bottom == pytest.approx(200 / 500, abs=0.01)
