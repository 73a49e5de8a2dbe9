"""python -m bench.burnt_text: how well burned-in text in radiographs is detected.

Names are drawn into radiographs at random: fonts, heights from 12 to 90 pixels, more or less
contrast with the background, at a border or anywhere. The same pictures without names show the
false alarms; those named with --written contain text already and are left out. Without
--radiographs, phantoms are used.
"""

import argparse
import math
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bench.pictures import draw
from bench.system import say
from deploy.local.packages import ROOT
from webportal.research.burnt_text import has_text

Greys = NDArray[np.uint8]

_OF_MATPLOTLIB = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_OWN = ROOT / "webportal" / "review" / "reports" / "fonts"
_NAMES = (
    *("DOE^JOHN", "Müller, Anna", "LI WEI", "O'Brien", "Ann Lee", "kumar r."),
    *("SMITH JANE 1970-03-04", "ID 48213377", "Sharma Sita F 042Y"),
)
#: Fonts by kind, and names whose script they contain.
FONTS: dict[str, tuple[Path, tuple[str, ...]]] = {
    "sans": (_OF_MATPLOTLIB / "DejaVuSans.ttf", _NAMES),
    "sans, bold": (_OF_MATPLOTLIB / "DejaVuSans-Bold.ttf", _NAMES),
    "sans, oblique": (_OF_MATPLOTLIB / "DejaVuSans-Oblique.ttf", _NAMES),
    "monospaced": (_OF_MATPLOTLIB / "DejaVuSansMono.ttf", _NAMES),
    "serif": (_OF_MATPLOTLIB / "STIXGeneral.ttf", _NAMES),
    "serif, italic": (_OF_MATPLOTLIB / "STIXGeneralItalic.ttf", _NAMES),
    "typewriter": (_OF_MATPLOTLIB / "cmtt10.ttf", _NAMES),
    "Cyrillic": (_OF_MATPLOTLIB / "DejaVuSans.ttf", ("Иванова", "ПЕТРОВ ИВАН")),
    "Devanagari": (_OWN / "noto-sans-devanagari-400-normal.woff", ("शर्मा सीता", "राम कुमार")),
}
_HEIGHTS = (12, 90)
#: Difference from the background, in grey levels of 255.
_CONTRASTS = ((40, 60), (60, 100), (100, 256))


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.burnt_text", description=__doc__)
    parser.add_argument("--radiographs", type=Path, help="a folder with JPEG or PNG files")
    parser.add_argument(
        "--written",
        nargs="*",
        default=[],
        help="file name prefixes of radiographs that contain text",
    )
    parser.add_argument("--names", type=int, default=4, help="names drawn into each, one at a time")
    options = parser.parse_args()
    chance = random.Random(1)
    alarms, pictures = [], 0
    found: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    for name, picture in _pictures(options.radiographs):
        if name.startswith(tuple(options.written)):
            say(f"{name} contains text: {'found' if has_text(picture) else 'missed'}")
            continue
        pictures += 1
        if has_text(picture):
            alarms.append(name)
        for _ in range(options.names):
            written, kinds = write_name(picture, chance)
            tried.update(kinds)
            if has_text(written):
                found.update(kinds)
    for kind in sorted(tried):
        say(f"{kind:40} found {found[kind]:5} of {tried[kind]:5}")
    say(f"{'without text':40} found {len(alarms):5} of {pictures:5} {' '.join(alarms)}")


def _pictures(folder: Path | None) -> Iterator[tuple[str, Greys]]:
    if folder is None:
        for number in range(20):
            yield f"phantom {number}", draw(number, 1500)
        return
    for path in sorted(folder.rglob("*.jp*g")) + sorted(folder.rglob("*.png")):
        with Image.open(path) as image:
            yield path.name, np.asarray(image.convert("L"))


def write_name(picture: Greys, chance: random.Random) -> tuple[Greys, list[str]]:
    """Return a copy with a name in it, and the kinds under which it is counted."""
    while True:
        kind, (path, names) = chance.choice(list(FONTS.items()))
        low, high = (math.log(each) for each in _HEIGHTS)
        height = round(math.exp(chance.uniform(low, high)))
        mask = _mask(chance.choice(names), path, height)
        room = [have - need for have, need in zip(picture.shape, mask.shape, strict=True)]
        if min(room) < 4:
            continue
        top, left = (chance.choice([2, most - 2, chance.randrange(most)]) for most in room)
        spot = picture[top : top + mask.shape[0], left : left + mask.shape[1]]
        least, most = chance.choice(_CONTRASTS)
        background = float(spot.mean())
        greys = [g for g in range(0, 256, 5) if least <= abs(g - background) < most]
        if not greys:
            continue
        written = picture.copy()
        grey = chance.choice(greys)
        blend: Any = np.round(spot * (1 - mask) + grey * mask).astype(np.uint8)
        written[top : top + mask.shape[0], left : left + mask.shape[1]] = blend
        size = "below 20" if height < 20 else "20 to 90"
        contrast = f"greys that differ by {least} to {most - 1}"
        return written, ["all names", f"font: {kind}", f"font height {size} px", contrast]


def _mask(text: str, path: Path, height: int) -> NDArray[np.float64]:
    """How much of each pixel is covered by the text, 0 to 1."""
    font = ImageFont.truetype(str(path), height)
    left, top, right, bottom = (round(each) for each in font.getbbox(text))
    image = Image.new("L", (right - left + 4, bottom - top + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, fill=255, font=font)
    return np.asarray(image) / 255


if __name__ == "__main__":
    main()
