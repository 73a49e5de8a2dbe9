"""Time to image in the viewer: the first study, and the one after *Next*.

`python -m bench.viewer [--runs N]`. Each run opens the study page in a browser with nothing
cached. The measure is the time from the page's load event until Cornerstone has drawn the image;
the baseline is the time that the browser takes to fetch, decode and draw the portal's 8-bit PNG of
the same radiograph in a loaded page. The two alternate.

Then one reader goes from study to study, with the pixels of the next one prefetched. The measure
is the time from the click on *Next* until the image of the next study is drawn; the baseline is the
time until then from opening the same study's URL as a whole page. These alternate, too.
"""

import argparse
import statistics
import sys
import uuid
from collections.abc import Sequence

from playwright.sync_api import Browser, Page

from bench.system import Portal, new_system
from tests.e2e.browser import NO_WEBGL, WEBGL, chromium

SIDE = 2000
TARGET_MS = 500
TARGET_NEXT_MS = 300
# By then the next study has been prefetched.
AHEAD_MS = 3_000
PASSWORD = "for the benchmark alone"
PATIENCE_MS = 120_000

DRAW_PICTURE = """async address => {
    const started = performance.now();
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    document.body.append(picture);
    await new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)));
    return performance.now() - started;
}"""
SINCE_LOAD = """() => {
    const [shown] = performance.getEntriesByName("first-image");
    const [page] = performance.getEntriesByType("navigation");
    return shown && page.loadEventEnd ? Math.max(0, shown.startTime - page.loadEventEnd) : null;
}"""


# An older front end loads a whole page instead, which would be mistaken for the swap.
OPENS_IN_PLACE = "html[data-opens=in-place]"
IMAGES_DRAWN = "() => performance.getEntriesByName('first-image').length"
GO_ON = """() => {
    window.clickedAt = performance.now();
    document.querySelector("form[action$='/worklist/next'] button").click();
}"""
SINCE_CLICK = (
    """() => performance.getEntriesByName('first-image').at(-1).startTime - window.clickedAt"""
)
SINCE_OPENING = "() => performance.getEntriesByName('first-image').at(-1).startTime"


def main() -> int:
    """Measure with and without WebGL, print the table, and return 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.viewer", description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    is_met = True
    with new_system() as (stack, folder, _):
        images = _store(2 * runs + 2)
        study, radiograph = images[0]
        address = f"http://127.0.0.1:{Portal(stack, folder / 'portal.log').port}"
        for name, arguments in (("WebGL in software", WEBGL), ("no WebGL", NO_WEBGL)):
            with chromium(*arguments) as browser:
                timings = [_measure(browser, address, study, radiograph) for _ in range(runs)]
                next_timings = _measure_next(browser, address, study, runs)
            is_met &= _print(name, timings)
            is_met &= _print_next(name, next_timings)
    return 0 if is_met else 1


def _store(count: int) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Studies with one uncompressed 16-bit phantom each, as stored by intake."""
    import hashlib

    from bench import pictures, records
    from webportal.accounts.models import Role, User
    from webportal.demo.phantoms import draw_phantom
    from webportal.intake.checks.wrapping import Header, make_uid, wrap
    from webportal.records.models import Radiograph

    User.objects.create_user("radiologist", PASSWORD, [Role.RADIOLOGIST])
    grey = draw_phantom(1, (SIDE, SIDE), opacity=True)
    data = pictures.as_deep_png(grey)
    digest = hashlib.sha256(data).hexdigest()
    header = Header(patient_id="1", study_instance_uid=make_uid("bench", digest))
    stored = [wrap(data, header, digest)]
    radiographs = records.store_radiographs(stored, count, records.make_uploader())
    Radiograph.objects.update(rows=SIDE, columns=SIDE, bits_stored=16)
    return [(radiograph.study_id, radiograph.pk) for radiograph in radiographs]


def _measure(
    browser: Browser, address: str, study: uuid.UUID, radiograph: uuid.UUID
) -> tuple[float, float]:
    """Milliseconds until the viewer's image, and until the plain PNG, is on the screen."""
    page = _signed_in(browser, address)
    plain = float(page.evaluate(DRAW_PICTURE, f"/radiographs/{radiograph}/image.png"))
    page.goto(f"/studies/{study}")
    shown = None
    while shown is None:
        page.wait_for_timeout(200)
        shown = page.evaluate(SINCE_LOAD)
    page.context.close()
    return float(shown), plain


def _measure_next(
    browser: Browser, address: str, study: uuid.UUID, runs: int
) -> list[tuple[float, float]]:
    """Milliseconds from *Next*, and from opening the whole page, until the image is drawn."""
    page = _signed_in(browser, address)
    page.goto(f"/studies/{study}")
    timings = []
    for _ in range(runs):
        _wait_for_images(page, 1)
        page.wait_for_selector(OPENS_IN_PLACE)
        page.wait_for_timeout(AHEAD_MS)
        page.evaluate(GO_ON)
        _wait_for_images(page, 2)
        swapped = float(page.evaluate(SINCE_CLICK))
        page.goto(page.url)
        _wait_for_images(page, 1)
        timings.append((swapped, float(page.evaluate(SINCE_OPENING))))
    page.context.close()
    return timings


def _wait_for_images(page: Page, count: int) -> None:
    while page.evaluate(IMAGES_DRAWN) < count:
        page.wait_for_timeout(100)


def _signed_in(browser: Browser, address: str) -> Page:
    context = browser.new_context(base_url=address, viewport={"width": 1920, "height": 1080})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.set_default_navigation_timeout(PATIENCE_MS)
    page.goto("/sign-in")
    page.get_by_label("User name").fill("radiologist")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/worklist*")
    page.goto("/account/password")
    return page


def _print(name: str, timings: Sequence[tuple[float, float]]) -> bool:
    shown, plain = (statistics.median(each) for each in zip(*timings, strict=True))
    is_met = bool(shown < TARGET_MS)
    sys.stdout.write(
        f"page loaded to image on screen, {name}, median of {len(timings)}: {shown:.0f} ms,"
        f" plain picture {plain:.0f} ms, ratio {shown / plain:.2f},"
        f" under {TARGET_MS} ms: {'met' if is_met else 'MISSED'}\n"
    )
    sys.stdout.flush()
    return is_met


def _print_next(name: str, timings: Sequence[tuple[float, float]]) -> bool:
    swapped, whole = (statistics.median(each) for each in zip(*timings, strict=True))
    is_met = bool(swapped < TARGET_NEXT_MS)
    sys.stdout.write(
        f"Next to image on screen, {name}, median of {len(timings)}: {swapped:.0f} ms, whole page"
        f" {whole:.0f} ms, ratio {swapped / whole:.2f}, under {TARGET_NEXT_MS} ms:"
        f" {'met' if is_met else 'MISSED'}\n"
    )
    sys.stdout.flush()
    return is_met


if __name__ == "__main__":
    sys.exit(main())
