"""Augmentation of frontal chest radiographs: other devices, collimation, letters, tubes.

A chest stays a chest. Each change removes a property by which the available sources could be
recognised, so that the gate does not refuse a radiograph because it was acquired elsewhere.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ml.research.datasets.augmentation import augment

Pixels = NDArray[np.uint8]
Rng = np.random.Generator
LETTERS = list("RLAPKV0123456789: PORTABLESUPINE")
FONT = ImageFont.load_default(size=20)


def vary_chest(pixels: Pixels, donor: Pixels, rng: Rng) -> Pixels:
    """Return an augmented copy of one network input (size, size) that is still an upright chest.

    ``donor`` is any other radiograph, whose grey levels and sharpness are transferred.
    """
    if rng.random() < 0.6:
        pixels = augment(pixels, donor, rng)
    image = reframed(Image.fromarray(other_greys(pixels, rng)), rng)
    if rng.random() < 0.2:
        image = collimated(image, rng)
    draw = ImageDraw.Draw(image)
    if rng.random() < 0.4:
        write_letters(draw, image.width, rng)
    if rng.random() < 0.3:
        lay_tubes(draw, image.width, rng)
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2.2)))
    varied = np.asarray(image)
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(1, 12), varied.shape)
        varied = (varied + noise).clip(0, 255).astype(np.uint8)
    # The heart may lie on the right: to the gate that is still a chest.
    return np.ascontiguousarray(varied[:, ::-1]) if rng.random() < 0.15 else varied


def other_greys(pixels: Pixels, rng: Rng) -> Pixels:
    """Change window, curve, local contrast and range of the greys."""
    greys = pixels.astype(np.float32) / 255
    if rng.random() < 0.3:
        low, high = np.percentile(greys, [rng.uniform(0, 15), rng.uniform(85, 100)])
        greys = ((greys - low) / max(high - low, 0.05)).clip(0, 1)
    if rng.random() < 0.5:
        greys = greys ** np.exp(rng.uniform(-0.8, 0.8))
    if rng.random() < 0.3:
        around = Image.fromarray((greys * 255).astype(np.uint8))
        radius = len(pixels) * rng.uniform(0.035, 0.13)
        local = np.asarray(around.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255
        greys = (greys + rng.uniform(-0.4, 0.9) * (greys - local)).clip(0, 1)
    if rng.random() < 0.25:
        low = rng.uniform(0, 0.3)
        greys = low + greys * rng.uniform(0.4, 1 - low)
    return np.asarray(greys.clip(0, 1) * 255, np.uint8)


def reframed(image: Image.Image, rng: Rng) -> Image.Image:
    """Place the image smaller on a uniform background, or crop its borders, or neither."""
    size, choice = image.width, rng.random()
    if choice < 0.3:
        width, height = (rng.uniform(0.72, 1, 2) * size).astype(int).tolist()
        left = int(rng.integers(0, size - width + 1))
        top = int(rng.integers(0, size - height + 1))
        ground = int(rng.choice([0, 0, 0, int(rng.integers(0, 60)), 255]))
        page = Image.new("L", image.size, ground)
        page.paste(image.resize((width, height), Image.Resampling.BILINEAR), (left, top))
        return page
    if choice < 0.5:
        left, top, right, bottom = (rng.uniform(0, 0.16, 4) * size).tolist()
        box = (left, top, size - right, size - bottom)
        return image.resize(image.size, Image.Resampling.BILINEAR, box=box)
    return image


def collimated(image: Image.Image, rng: Rng) -> Image.Image:
    """Darken everything beyond four slightly oblique edges."""
    size = image.width
    left, top, right, bottom = (rng.uniform(0.02, 0.15, 4) * size).tolist()
    slant = (rng.uniform(-0.035, 0.035, 2) * size).tolist()
    corners = [
        (left, top),
        (size - right, top + slant[0]),
        (size - right, size - bottom),
        (left + slant[1], size - bottom),
    ]
    exposed = Image.new("L", image.size, 0)
    ImageDraw.Draw(exposed).polygon(corners, fill=255)
    return Image.composite(image, Image.new("L", image.size, int(rng.integers(0, 30))), exposed)


def write_letters(draw: ImageDraw.ImageDraw, size: int, rng: Rng) -> None:
    """Write a few bright words anywhere, like burnt-in markers, names and times."""
    for _ in range(rng.integers(1, 5)):
        text = "".join(rng.choice(LETTERS, rng.integers(1, 9)))
        font = FONT.font_variant(size=int(rng.uniform(0.035, 0.15) * size))  # type: ignore[union-attr]
        x, y = (rng.uniform(0, 0.9, 2) * size).tolist()
        draw.text((x, y), text, fill=int(rng.integers(150, 256)), font=font)


def lay_tubes(draw: ImageDraw.ImageDraw, size: int, rng: Rng) -> None:
    """Draw bright curves, like tubes and wires, and a few electrodes."""
    steps = np.linspace(0, 1, 30)[:, None]
    for _ in range(rng.integers(1, 5)):
        a, b, c, d = rng.uniform(0.1, 0.9, (4, 2)) * size
        rest = 1 - steps
        curve = rest**3 * a + 3 * rest**2 * steps * b + 3 * rest * steps**2 * c + steps**3 * d
        points = [(float(x), float(y)) for x, y in curve]
        draw.line(points, fill=int(rng.integers(140, 256)), width=int(rng.integers(1, 4)))
    for _ in range(rng.integers(0, 4)):
        x, y = (rng.uniform(0.1, 0.85, 2) * size).tolist()
        draw.ellipse([x, y, x + size / 25, y + size / 25], fill=int(rng.integers(180, 256)))
