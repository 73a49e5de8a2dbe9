"""OHIF, the viewer that many hospitals use, opens a study from another origin."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from tests import dicom_files as files
from tests.dicomweb.conftest import BOUNDARY, in_parts
from tests.e2e.browser import WEBGL, chromium
from tests.helpers import wait_until
from tests.peers.conftest import Portal
from tools.peers import OHIF_FOLDER

pytestmark = pytest.mark.peers

VIEWER = OHIF_FOLDER / "package" / "dist"
STUDY = "1.2.3"
SIZE = (700, 600)
CONFIGURATION = """
window.config = {
  routerBasename: null, extensions: [], modes: [], showStudyList: true, maxNumberOfWebWorkers: 2,
  showWarningMessageForCrossOrigin: false, showCPUFallbackMessage: false,
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


def test_ohif_draws_a_study_without_an_error(
    viewer: ThreadingHTTPServer, start_portal: Callable[..., Portal], tmp_path: Path
) -> None:
    origin = f"http://127.0.0.1:{viewer.server_address[1]}"
    portal = start_portal(DICOMWEB_ORIGINS=origin)
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
    with chromium(*WEBGL) as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.set_default_timeout(120_000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: errors.append(message.text) if message.type == "error" else None,
        )
        page.on(
            "response",
            lambda response: (
                errors.append(f"{response.status} {response.url}")
                if response.status >= 400
                else None
            ),
        )
        page.goto(f"{origin}/viewer?StudyInstanceUIDs={STUDY}&token={portal.token}")
        page.locator("canvas.cornerstone-canvas").first.wait_for()

        def greys() -> int:
            picture = page.locator("canvas.cornerstone-canvas").first.screenshot(
                path=tmp_path / "ohif.png"
            )
            return len(np.unique(np.asarray(Image.open(BytesIO(picture)).convert("L"))))

        wait_until(lambda: greys() > 100, "OHIF drew the image")
        page.screenshot(path=tmp_path / "page.png")
        assert errors == []
