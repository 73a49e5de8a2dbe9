"""Augmentation: random changes to training images that preserve the diagnosis.

In the training set, normal images are sharper, larger and less compressed than those with
pneumonia. Each change below removes one such cue: sharpness, compression, noise, grey curve,
framing, aspect ratio, markers at the rim. Histogram and sharpness are also transferred from another
image, of either class. Images are not mirrored: the heart lies on the left.
"""

import io

import numpy as np
from PIL import Image, ImageFilter

Rng = np.random.Generator
RESAMPLERS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


def augment(pixels: np.ndarray, donor: np.ndarray, rng: Rng) -> np.ndarray:
    """Return an augmented copy of one network input, (size, size) uint8.

    ``donor`` is any other input; its acquisition properties are transferred.
    """
    changed = pixels
    if rng.random() < 0.5:
        changed = _cut_frame(changed, rng)
    if rng.random() < 0.5:
        changed = transfer_grey_levels(changed, donor, rng)
    if rng.random() < 0.5:
        changed = transfer_sharpness(changed, donor)
    return _spoil(changed, rng)


def _cut_frame(pixels: np.ndarray, rng: Rng) -> np.ndarray:
    """Crop up to 15 % off each side and enlarge the rest again."""
    size = len(pixels)
    top, bottom, left, right = (rng.uniform(0, 0.15, 4) * size).astype(int)
    inner = Image.fromarray(pixels[top : size - bottom, left : size - right])
    return np.asarray(inner.resize((size, size), Image.Resampling.BILINEAR))


def transfer_grey_levels(pixels: np.ndarray, donor: np.ndarray, rng: Rng) -> np.ndarray:
    """Match the histogram to the donor's, in part."""
    ours, theirs = (
        np.bincount(p.ravel(), minlength=256).cumsum() / p.size for p in (pixels, donor)
    )
    levels = np.arange(256)
    share = rng.uniform(0.3, 1)
    matched = share * np.interp(ours, theirs, levels) + (1 - share) * levels
    return np.asarray(matched.astype(np.uint8)[pixels])


def transfer_sharpness(pixels: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """Give each octave of fine detail the energy that it has in the donor."""
    details, coarse = _octaves(pixels)
    for detail, target in zip(details, _octaves(donor)[0], strict=True):
        coarse = coarse + detail * np.clip(target.std() / (detail.std() + 0.05), 0.3, 3)
    return np.asarray(coarse.clip(0, 255), np.uint8)


def _octaves(pixels: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Split an image into the details of three octaves and the coarse remainder."""
    coarse = pixels.astype(np.float32)
    details = []
    for sigma in (1, 2, 4):
        smooth = Image.fromarray(coarse.clip(0, 255).astype(np.uint8))
        blurred = np.asarray(smooth.filter(ImageFilter.GaussianBlur(sigma)), np.float32)
        details.append(coarse - blurred)
        coarse = blurred
    return details, coarse


def _spoil(pixels: np.ndarray, rng: Rng) -> np.ndarray:
    """Change framing, grey curve, sharpness, noise and compression, and hide parts of the rim."""
    image = _reframe(Image.fromarray(pixels), rng)
    image = _change_grey_curve(image, rng)
    image = _change_sharpness(image, rng)
    if rng.random() < 0.3:
        image = _add_noise(image, rng)
    if rng.random() < 0.6:
        image = _recompress(image, rng)
    changed = np.array(image)
    if rng.random() < 0.3:
        _blacken_borders(changed, rng)
    if rng.random() < 0.5:
        _erase_at_rim(changed, rng)
    return changed


def _reframe(image: Image.Image, rng: Rng) -> Image.Image:
    """Rotate by up to 8 degrees, shift by up to 6 %, scale each axis by up to 18 %."""
    size = image.width
    angle = np.deg2rad(rng.uniform(-8, 8))
    scale_x, scale_y = np.exp(rng.uniform(-0.17, 0.17, 2))
    shift_x, shift_y = rng.uniform(-0.06, 0.06, 2) * size
    a, b = np.cos(angle) / scale_x, np.sin(angle) / scale_x
    d, e = -np.sin(angle) / scale_y, np.cos(angle) / scale_y
    centre = size / 2
    c = centre - a * (centre + shift_x) - b * (centre + shift_y)
    f = centre - d * (centre + shift_x) - e * (centre + shift_y)
    return image.transform(
        image.size, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR
    )


def _change_grey_curve(image: Image.Image, rng: Rng) -> Image.Image:
    level = np.linspace(0, 1, 256) ** np.exp(rng.uniform(-0.45, 0.45))
    level = (level - 0.5) * rng.uniform(0.7, 1.3) + 0.5 + rng.uniform(-0.12, 0.12)
    return image.point((level.clip(0, 1) * 255).round().astype(int).tolist())


def _change_sharpness(image: Image.Image, rng: Rng) -> Image.Image:
    if rng.random() < 0.5:
        small = int(image.width * rng.uniform(0.4, 0.95))
        down, up = (RESAMPLERS[i] for i in rng.integers(len(RESAMPLERS), size=2))
        image = image.resize((small, small), down).resize(image.size, up)
    choice = rng.random()
    if choice < 0.3:
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.3)))
    if choice < 0.6:
        percent = int(rng.uniform(30, 250))
        return image.filter(ImageFilter.UnsharpMask(rng.uniform(0.6, 2.5), percent, 0))
    return image


def _add_noise(image: Image.Image, rng: Rng) -> Image.Image:
    pixels = np.asarray(image, np.float32)
    noise = rng.standard_normal(pixels.shape, np.float32) * rng.uniform(1, 9)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


def _recompress(image: Image.Image, rng: Rng) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.uniform(25, 96)))
    return Image.open(buffer)


def _blacken_borders(pixels: np.ndarray, rng: Rng) -> None:
    size = len(pixels)
    top, bottom, left, right = (rng.uniform(0, 0.07, 4) * size).astype(int)
    pixels[:top] = 0
    pixels[size - bottom :] = 0
    pixels[:, :left] = 0
    pixels[:, size - right :] = 0


def _erase_at_rim(pixels: np.ndarray, rng: Rng) -> None:
    """Cover up to three patches near the rim, where markers and labels are, with one grey."""
    size = len(pixels)
    for _ in range(rng.integers(1, 4)):
        height, width = (rng.uniform(0.05, 0.2, 2) * size).astype(int)
        along = rng.integers(0, size - max(height, width))
        depth = int(rng.uniform(0, 0.12) * size)
        y, x = (
            (depth, along),
            (size - depth - height, along),
            (along, depth),
            (along, size - depth - width),
        )[rng.integers(4)]
        pixels[y : y + height, x : x + width] = rng.integers(0, 256)
