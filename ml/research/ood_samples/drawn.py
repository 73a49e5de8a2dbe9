"""Drawings that are not frontal chest radiographs: documents, test cards, other body parts.

Each function draws one picture of its kind, (224, 224) uint8, from a random generator. The body
parts are schematic: what absorbs the beam is bright, edges are soft, and there is noise.
"""

import itertools
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Rng = np.random.Generator
Picture = NDArray[np.uint8]
Point = tuple[float, float]
Drawing = Callable[[Rng], Picture]

SIZE = 224
TEXT = "the film shows patient name date of birth referral clinic report page total number see"
WORDS = TEXT.split()


def text_page(rng: Rng) -> Picture:
    """Draw a page of text, dark on light or the other way round."""
    page, draw = _canvas(255)
    height = int(rng.integers(7, 16))
    font = ImageFont.load_default(height)
    left, right = rng.uniform(4, 30), rng.uniform(150, 230)
    for y in range(int(rng.integers(2, 40)), SIZE - height, int(height * rng.uniform(1.2, 2))):
        if rng.random() < 0.1:
            continue
        words = " ".join(rng.choice(WORDS, 12))
        draw.text((left, y), words[: int((right - left) / height * 2)], fill=0, font=font)
    return _maybe_inverted(np.asarray(page), rng)


def form(rng: Rng) -> Picture:
    """Draw a form: a heading, a table with ruled lines and a few words in its cells."""
    page, draw = _canvas(255)
    draw.rectangle((10, 8, int(rng.integers(80, 215)), 28), fill=int(rng.integers(60, 200)))
    rows, columns = rng.integers(4, 14), rng.integers(2, 6)
    ys, xs = np.linspace(40, 214, rows), np.linspace(10, 214, columns)
    for y in ys:
        draw.line((10, y, 214, y), fill=0)
    for x in xs:
        draw.line((x, 40, x, 214), fill=0)
    for y in ys[:-1]:
        for x in xs[:-1]:
            if rng.random() < 0.7:
                draw.text((x + 3, y + 1), str(rng.choice(WORDS)), fill=0)
    return _maybe_inverted(np.asarray(page), rng)


def chart(rng: Rng) -> Picture:
    """Draw a diagram: axes with bars and a curve."""
    page, draw = _canvas(255)
    draw.line((20, 10, 20, 204, 214, 204), fill=0, width=2)
    heights = rng.uniform(10, 180, int(rng.integers(4, 16)))
    width = 190 / len(heights)
    for i, height in enumerate(heights):
        left = 22 + i * width
        draw.rectangle(
            (left, 203 - height, left + width * 0.7, 203), fill=int(rng.integers(40, 220))
        )
    curve = [(22 + i * width, 203 - h) for i, h in enumerate(rng.uniform(10, 180, len(heights)))]
    draw.line(curve, fill=0, width=2)
    return _maybe_inverted(np.asarray(page), rng)


def test_card(rng: Rng) -> Picture:
    """Draw a monitor's test card: grey steps, line pairs, rings and a frame."""
    page, draw = _canvas(int(rng.integers(0, 140)))
    steps = int(rng.integers(6, 18))
    for i in range(steps):
        left = i * SIZE / steps
        draw.rectangle((left, 0, left + SIZE / steps, 40), fill=int(255 * i / (steps - 1)))
    for i in range(4):
        gap, left = int(rng.integers(2, 7)), 8 + i * 54
        for x in range(0, 44, 2 * gap):
            draw.rectangle((left + x, 170, left + x + gap - 1, 210), fill=255)
    for radius in np.sort(rng.uniform(10, 70, 4))[::-1]:
        box = (112 - radius, 108 - radius, 112 + radius, 108 + radius)
        draw.ellipse(box, fill=int(rng.integers(256)), outline=255)
    draw.rectangle((0, 0, SIZE - 1, SIZE - 1), outline=255, width=int(rng.integers(1, 6)))
    return _turned_by_quarters(np.asarray(page), rng)


def ellipses(rng: Rng) -> Picture:
    """Draw a phantom of overlapping ellipses, like Shepp and Logan's, at random."""
    picture = np.zeros((SIZE, SIZE), np.float32)
    picture += _ellipse((0.5, 0.5), rng.uniform(0.3, 0.48, 2), rng.uniform(0, 180))
    for _ in range(rng.integers(3, 12)):
        centre, radii = rng.uniform(0.25, 0.75, 2), rng.uniform(0.02, 0.2, 2)
        picture += rng.uniform(-0.5, 0.5) * _ellipse(tuple(centre), radii, rng.uniform(0, 180))
    return _developed(picture, rng, blur=rng.uniform(0, 1))


def checkerboard(rng: Rng) -> Picture:
    """Draw a checkerboard with fields of random size."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    field = int(rng.integers(4, 56))
    dark, light = rng.integers(0, 100), rng.integers(140, 256)
    return np.where((y // field + x // field) % 2, light, dark).astype(np.uint8)


def noise(rng: Rng) -> Picture:
    """Draw noise, from single pixels to large clouds."""
    cells = int(rng.choice([4, 8, 16, 32, 64, SIZE]))
    coarse = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
    return np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def gradient(rng: Rng) -> Picture:
    """Draw a smooth ramp in any direction, straight or round."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE - rng.uniform(0.2, 0.8, 2)[:, None, None]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.hypot(x, y) if rng.random() < 0.5 else x * np.cos(angle) + y * np.sin(angle)
    return _developed(ramp.astype(np.float32) * 3, rng, blur=0)


def hand(rng: Rng) -> Picture:
    """Draw a hand: a palm with its bones and five fingers of three."""
    flesh, bones = np.zeros((2, SIZE, SIZE), np.float32)
    flesh += _ellipse((0.5, 0.68), (0.19, 0.2), 0) + _stroke([(0.5, 0.75), (0.5, 1.05)], 0.2)
    for i, angle in enumerate(np.deg2rad([-52, -20, -4, 11, 27]) + rng.normal(0, 0.04, 5)):
        reach = (0.30, 0.47, 0.52, 0.48, 0.4)[i] * rng.uniform(0.93, 1.05)
        knuckles = [
            (0.5 + r * reach * np.sin(angle), 0.72 - r * reach * np.cos(angle))
            for r in (0.12, 0.45, 0.7, 0.87, 1.0)
        ]
        flesh = np.maximum(flesh, _stroke([knuckles[0], knuckles[-1]], 0.075))
        for start, end in itertools.pairwise(knuckles):
            bones = np.maximum(
                bones, _stroke([_between(start, end, 0.1), _between(start, end, 0.9)], 0.03)
            )
    for x in (0.44, 0.55):
        bones = np.maximum(bones, _stroke([(x, 0.82), (x, 1.05)], 0.055))
    return _turned(_developed(0.35 * flesh.clip(0, 1) + 0.5 * bones, rng), rng, 40)


def skull(rng: Rng) -> Picture:
    """Draw a skull from the front: vault, orbits, nose, jaw with teeth."""
    shape = rng.uniform(0.9, 1.08, 2)
    vault = _ellipse((0.5, 0.4), (0.3 * shape[0], 0.34 * shape[1]), 0)
    inside = _ellipse((0.5, 0.4), (0.275 * shape[0], 0.315 * shape[1]), 0)
    jaw = _ellipse((0.5, 0.72), (0.19, 0.2 * shape[1]), 0)
    picture = 0.45 * np.maximum(vault, jaw) + 0.4 * (vault - inside)
    for side in (-1, 1):
        picture -= 0.22 * _ellipse((0.5 + side * 0.12, 0.5), (0.075, 0.06), 0)
    picture -= 0.25 * _ellipse((0.5, 0.6), (0.035, 0.06), 0)
    for x in np.linspace(0.4, 0.6, 8):
        picture += 0.2 * _stroke([(x, 0.7), (x, 0.78)], 0.018)
    picture += 0.2 * _stroke([(0.5, 0.85), (0.5, 1.05)], 0.2)
    return _turned(_developed(picture.clip(0, 1.2), rng), rng, 10)


def limb(rng: Rng) -> Picture:
    """Draw a joint of an arm or a leg: one long bone above, one or two below."""
    middle = rng.uniform(0.4, 0.6)
    flesh = _stroke([(0.5, -0.1), (0.5, 1.1)], rng.uniform(0.35, 0.55))
    shaft = rng.uniform(0.08, 0.14)
    bones = _stroke([(0.5, -0.1), (0.5, middle - 0.06)], shaft)
    bones = np.maximum(bones, _ellipse((0.5, middle - 0.07), (shaft * 1.15, 0.07), 0))
    bones = np.maximum(bones, _ellipse((0.5, middle + 0.08), (shaft * 1.1, 0.06), 0))
    for x in (0.47, 0.56)[: int(rng.integers(1, 3))]:
        bones = np.maximum(bones, _stroke([(x, middle + 0.08), (x, 1.1)], shaft * 0.7))
    marrow = np.asarray(_blurred(bones, 5))
    return _turned(_developed(0.35 * flesh + 0.6 * bones - 0.25 * marrow, rng), rng, 180)


def abdomen(rng: Rng) -> Picture:
    """Draw an abdomen from the front: spine, pelvis, and gas in the bowel."""
    picture = 0.55 * _ellipse((0.5, 0.5), (rng.uniform(0.4, 0.5), 0.75), 0)
    for y in np.arange(-0.05, 0.65, 0.1):
        picture += 0.22 * _stroke([(0.5, y), (0.5, y + 0.055)], 0.1)
    for side in (-1, 1):
        picture += 0.22 * _ellipse((0.5 + side * 0.22, 0.78), (0.17, 0.11), side * 40)
        picture -= 0.15 * _ellipse((0.5 + side * 0.12, 0.92), (0.06, 0.045), side * 30)
        picture += 0.2 * _ellipse((0.5 + side * 0.3, 0.97), (0.06, 0.06), 0)
    for _ in range(rng.integers(5, 16)):
        centre = (rng.uniform(0.2, 0.8), rng.uniform(0.15, 0.75))
        picture -= rng.uniform(0.1, 0.3) * _ellipse(
            centre, rng.uniform(0.02, 0.09, 2), rng.uniform(0, 180)
        )
    return _turned(_developed(picture.clip(0, 1.2), rng), rng, 8)


def lateral_chest(rng: Rng) -> Picture:
    """Draw a chest from the side: the lungs as one field, spine behind, breastbone in front."""
    picture = 0.55 * _ellipse((0.5, 0.55), (rng.uniform(0.36, 0.46), 0.62), 0)
    lung = _ellipse((0.52, 0.42), (rng.uniform(0.24, 0.3), 0.34), rng.uniform(-8, 8))
    lung *= 1 - _ellipse((0.45, 0.88), (0.42, 0.24), 18)
    picture -= 0.34 * lung
    picture += 0.2 * _ellipse((0.42, 0.6), (0.13, 0.15), -25)
    for step in np.arange(0, 1.02, 0.075):
        at = (0.74 + 0.08 * np.sin(step * 3), step)
        picture += 0.2 * _ellipse(at, (0.045, 0.028), 0)
    picture += 0.15 * _stroke([(0.26, 0.2), (0.2, 0.55)], 0.03)
    for step in np.arange(0.15, 0.75, 0.09):
        picture += 0.07 * _stroke([(0.76, step), (0.5, step + 0.1), (0.26, step + 0.16)], 0.022)
    facing = _developed(picture.clip(0, 1.2), rng)
    return _turned(facing if rng.random() < 0.5 else facing[:, ::-1], rng, 6)


# By kind. Those of the second group are never fitted on, only measured: they stand for what
# nobody thought of.
FITTED: Mapping[str, Drawing] = {
    "drawn pages of text": text_page,
    "drawn diagrams": chart,
    "drawn test cards": test_card,
    "drawn phantoms of ellipses": ellipses,
    "noise and clouds": noise,
    "drawn limbs": limb,
    "drawn abdomens": abdomen,
}
UNSEEN: Mapping[str, Drawing] = {
    "drawn forms": form,
    "drawn checkerboards": checkerboard,
    "smooth ramps": gradient,
    "drawn hands": hand,
    "drawn skulls": skull,
    "drawn lateral chests": lateral_chest,
}


def _canvas(background: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    page = Image.new("L", (SIZE, SIZE), background)
    return page, ImageDraw.Draw(page)


def _ellipse(
    centre: Point, radii: "Point | NDArray[np.float64]", degrees: float
) -> NDArray[np.float32]:
    """Return a filled ellipse as 0 and 1; positions in units of the picture's side."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    turn = np.deg2rad(degrees)
    dx, dy = x - centre[0], y - centre[1]
    along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    inside = (along / radii[0]) ** 2 + (across / radii[1]) ** 2 <= 1
    return np.asarray(inside, np.float32)


def _stroke(points: list[Point], width: float) -> NDArray[np.float32]:
    page, draw = _canvas(0)
    scaled = [(x * SIZE, y * SIZE) for x, y in points]
    draw.line(scaled, fill=255, width=max(1, round(width * SIZE)), joint="curve")
    return np.asarray(np.asarray(page) / 255, np.float32)


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _blurred(picture: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    greys = Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8))
    return np.asarray(np.asarray(greys.filter(ImageFilter.GaussianBlur(radius))) / 255, np.float32)


def _developed(absorbed: NDArray[np.float32], rng: Rng, blur: float = 1.2) -> Picture:
    """Turn absorption, about 0 to 1.2, into greys: soft edges, noise, contrast and brightness."""
    noisy = absorbed + rng.normal(0, rng.uniform(0.005, 0.03), absorbed.shape)
    greys = noisy * rng.uniform(180, 270) + rng.uniform(-10, 25)
    picture = Image.fromarray(greys.clip(0, 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(blur)))


def _turned(picture: Picture, rng: Rng, most: float) -> Picture:
    """Rotate about the centre by up to ``most`` degrees either way."""
    turned = Image.fromarray(picture).rotate(rng.uniform(-most, most), Image.Resampling.BILINEAR)
    return np.asarray(turned)


def _turned_by_quarters(picture: Picture, rng: Rng) -> Picture:
    return np.rot90(picture, int(rng.integers(4)))


def _maybe_inverted(picture: Picture, rng: Rng) -> Picture:
    return picture if rng.random() < 0.8 else 255 - picture
