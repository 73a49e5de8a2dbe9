"""Phantom chest radiographs for demonstration, tests and the images in the docs.

An image is the sum of what each part of the body would absorb, like a radiograph. Positions are
in units of the image's height, from its midline and its upper edge.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from webportal.demo.drawing import Drawing, Picture, blur, float32, smooth

# Parts are drawn at most this high and then scaled up, because their edges are soft anyway.
_LEAST_DRAWING_ROWS = 256
_MOST_DRAWING_ROWS = 1024


# What collimation to the lungs cuts off at the top, at the bottom and on either side.
_TOP, _BOTTOM, _SIDE = 0.09, 0.18, 0.083


def draw_phantom(
    seed: int, size: tuple[int, int], opacity: bool, collimated: bool = False
) -> NDArray[np.uint8]:
    """Draw a frontal chest radiograph with the word PHANTOM burnt in.

    Args:
        seed: the same seed gives the same image.
        size: rows and columns; at least 64 each.
        opacity: add a consolidation to one lung.
        collimated: show only the lungs, without arms, neck and abdomen.

    Returns:
        rows × columns greys, bright where the body absorbs most.
    """
    if collimated:
        rows, columns = round(size[0] / (1 - _TOP - _BOTTOM)), round(size[1] / (1 - 2 * _SIDE))
    else:
        rows, columns = size
    chest = _Chest(seed, min(max(rows, _LEAST_DRAWING_ROWS), _MOST_DRAWING_ROWS), columns / rows)
    absorbed = Image.fromarray(chest.absorption(opacity))
    scaled = absorbed.resize((columns, rows), Image.Resampling.BICUBIC)
    picture = Image.fromarray(_develop(np.asarray(scaled), chest.random))
    if collimated:
        top, left = round(_TOP * rows), round(_SIDE * columns)
        picture = picture.crop((left, top, left + size[1], top + size[0]))
    _burn_in_label(picture)
    labelled: NDArray[np.uint8] = np.asarray(picture)
    return labelled


def _develop(absorbed: Picture, random: np.random.Generator) -> NDArray[np.uint8]:
    """Turn absorption into greys: more noise where less arrives, and a film-like curve."""
    noise = random.normal(0, 1, absorbed.shape).astype(np.float32)
    noisy = absorbed + noise * (0.006 + 0.009 * np.clip(absorbed, 0, 1.2))
    greys = 255 / (1 + np.exp(-3.9 * (noisy - 0.56)))
    pixels: NDArray[np.uint8] = np.clip(greys - 8, 2, 248).astype(np.uint8)
    return pixels


def _burn_in_label(picture: Image.Image) -> None:
    font = ImageFont.load_default(max(9, picture.height // 30))
    margin = picture.height // 40
    draw = ImageDraw.Draw(picture)
    draw.text((margin, margin), "PHANTOM", fill=235, font=font)
    draw.text((picture.width - margin, margin), "L", fill=235, font=font, anchor="ra")


class _Chest(Drawing):
    """One chest with its own proportions; `aspect` is the image's width divided by its height.

    Sides: -1 is the patient's right, on the left of the image; 1 is the patient's left.
    """

    def __init__(self, seed: int, rows: int, aspect: float) -> None:
        random = np.random.default_rng(seed)
        vary = random.uniform
        self.wall = min(0.40, 0.46 * aspect) * vary(0.94, 1.0)
        middle = aspect / 2 + vary(-0.012, 0.012)
        self.base = vary(0.74, 0.785)
        self.heart_size = vary(0.92, 1.1)
        self.softness = vary(0.94, 1.08)
        super().__init__(random, rows, max(1, round(rows * aspect)), middle)

    def absorption(self, opacity: bool) -> Picture:
        """Sum up the parts: rows × columns, about 0 in air and 1.3 where the spine is thickest."""
        right, left = self._lung(-1), self._lung(1)
        lungs = np.maximum(right, left)
        heart, vessels = self._heart(), self._great_vessels()
        # Where the heart is, there is less air in front of and behind it.
        air = lungs * (1 - 0.80 * heart) * (1 - 0.6 * vessels)
        absorbed = self._torso() + self._belly() + 0.15 * heart + 0.09 * vessels + self._arms()
        absorbed += -0.40 * air * self.softness - self._airways()
        absorbed += self._spine() + self._ribs() + self._clavicles() + self._scapulae()
        absorbed += air * (self._vessels() + 0.025 * self.clouds(48) + 0.025 * self.clouds(10))
        if opacity:
            side = self.random.choice([-1, 1])
            absorbed += self._consolidation(right if side < 0 else left, side)
        absorbed += 0.007 * self.clouds(140) + 0.004 * self.clouds(320)
        return blur(absorbed, 0.0008)

    # ── Soft tissue and air ─────────────────────────────────────────────────────────────────────

    def _torso(self) -> Picture:
        half_width = np.interp(
            self.y[:, :1],
            [0.0, 0.05, 0.09, 0.13, 0.20, 0.32, 0.55, 0.80, 1.0],
            np.array([0.15, 0.16, 0.24, 0.40, 0.50, 0.44, 0.435, 0.44, 0.45]) * self.wall / 0.4,
        )
        depth = np.sqrt(np.clip(1 - (self.x / half_width) ** 2, 0, 1))
        inside = blur((depth > 0).astype(np.float32), 0.006)
        return float32(self.softness * inside * (0.34 + 0.46 * blur(depth, 0.01)))

    def _lung(self, side: int) -> Picture:
        """The thickness of one lung, 0 to 1, decreasing towards its borders."""
        dome = self.base - (0.03 if side < 0 else 0.0)
        lateral = [(0.12, 0.135), (0.175, 0.15), (0.23, 0.20), (0.285, 0.29), (0.328, 0.40)]
        lateral += [(0.357, 0.53), (0.375, 0.66), (0.378, dome + 0.05), (0.372, dome + 0.06)]
        floor = [(0.345, dome + 0.005), (0.29, dome - 0.04), (0.22, dome - 0.055)]
        floor += [(0.15, dome - 0.04), (0.105, dome - 0.01)]
        medial = [(0.085, 0.62), (0.07, 0.50), (0.06, 0.40), (0.055, 0.30), (0.075, 0.18)]
        points = smooth([*lateral, *floor, *medial], closed=True)
        scaled = [(side * x * self.wall / 0.4, y) for x, y in points]
        mask = self.polygon(scaled)
        core = blur(mask, 0.035)
        return float32(blur(mask, 0.0035) * (0.45 + 0.55 * np.clip(core * 2 - 0.75, 0, 1)))

    def _belly(self) -> Picture:
        """The abdomen, with the stomach bubble on the patient's left."""
        below = np.clip((self.y - self.base + 0.10) / 0.14, 0, 1)
        bubble = self.ellipse((0.17 * self.wall / 0.4, self.base + 0.055), (0.055, 0.026), 8)
        return float32(0.18 * below - 0.16 * blur(bubble, 0.010))

    def _heart(self) -> Picture:
        scale, size = self.wall / 0.4, self.heart_size
        ventricles = self.ellipse((0.07 * scale, 0.635), (0.165 * scale * size, 0.115 * size), -30)
        atrium = self.ellipse((-0.04 * scale, 0.62), (0.075 * scale, 0.115), 5)
        waist = self.ellipse((0.035 * scale, 0.50), (0.085 * scale, 0.12), -12)
        parts = (blur(ventricles, 0.009), blur(atrium, 0.009), 0.9 * blur(waist, 0.014))
        return float32(np.maximum.reduce(parts))

    def _great_vessels(self) -> Picture:
        """Aorta, vena cava and the hila."""
        scale = self.wall / 0.4
        trunk = self.ellipse((0.004, 0.33), (0.064 * scale, 0.26), 0)
        knob = self.ellipse((0.050 * scale, 0.325), (0.036, 0.036), 0)
        parts = [blur(trunk, 0.013), 0.9 * blur(knob, 0.006)]
        for side, height in ((-1, 0.445), (1, 0.42)):
            for dx, dy in self.random.normal(0, [0.010, 0.026], (6, 2)):
                centre = (side * (0.10 * scale + dx), height + dy)
                lobe = self.ellipse(centre, (0.022, 0.032), -side * 25)
                parts.append(0.55 * blur(lobe, 0.008))
        return float32(np.maximum.reduce(parts))

    def _airways(self) -> Picture:
        trachea = self.stroke([(0.004, -0.02), (0.0, 0.18), (-0.006, 0.335)], 0.034)
        right = self.stroke([(-0.006, 0.33), (-0.045, 0.385), (-0.08, 0.43)], 0.024)
        left = self.stroke([(-0.006, 0.33), (0.05, 0.385), (0.095, 0.415)], 0.022)
        return float32(0.13 * blur(np.maximum.reduce([trachea, right, left]), 0.005))

    def _vessels(self) -> Picture:
        """Branching pulmonary vessels, fading from the hila to the periphery."""
        canvas, draw = self.canvas()
        for side in (-1, 1):
            for angle in np.linspace(-1.25, 1.3, 11) + self.random.normal(0, 0.08, 11):
                start = (side * 0.09 * self.wall / 0.4, 0.43 + 0.03 * np.sin(angle))
                self._branch(draw, start, side, angle, 0.0085, 5)
        fine = self.shape(canvas)
        return float32(0.15 * blur(fine, 0.0018) + 0.10 * blur(fine, 0.007))

    def _branch(
        self,
        draw: ImageDraw.ImageDraw,
        start: tuple[float, float],
        side: int,
        angle: float,
        width: float,
        generations: int,
    ) -> None:
        length = self.random.uniform(0.035, 0.075)
        end = (
            start[0] + side * length * float(np.cos(angle)),
            start[1] + length * float(np.sin(angle)),
        )
        grey = round(255 * min(1.0, 0.12 + width / 0.012))
        draw.line([self.pixel(start), self.pixel(end)], fill=grey, width=self.width(width))
        if generations == 0:
            return
        for spread in (-1, 1):
            turn = angle + spread * self.random.uniform(0.08, 0.5)
            self._branch(draw, end, side, turn, width * 0.68, generations - 1)

    def _consolidation(self, lung: Picture, side: int) -> Picture:
        """A patchy, ill-defined opacity in one zone of a lung."""
        centre_x = side * self.random.uniform(0.17, 0.25) * self.wall / 0.4
        centre_y = self.random.uniform(0.40, 0.64)
        patch = np.zeros_like(self.x)
        for _ in range(9):
            dx, dy = self.random.normal(0, [0.045, 0.055])
            radius = self.random.uniform(0.025, 0.065)
            distance = (self.x - centre_x - dx) ** 2 + (self.y - centre_y - dy) ** 2
            patch = np.maximum(patch, np.exp(-distance / (2 * radius**2)))
        patchy = np.clip(patch * (0.9 + 0.16 * self.clouds(14) + 0.07 * self.clouds(44)), 0, 1)
        return float32(0.34 * patchy * np.clip(lung * 1.6, 0, 1))

    # ── Bone ────────────────────────────────────────────────────────────────────────────────────

    def _spine(self) -> Picture:
        bodies, draw = self.canvas()
        processes, draw_processes = self.canvas()
        top, height = -0.02, 0.046
        while top < 1:
            half = 0.036 + 0.016 * top
            box = [*self.pixel((-half, top)), *self.pixel((half, top + height * 0.86))]
            draw.rounded_rectangle(box, radius=self.width(0.009), fill=255)
            for x in (-half * 0.55, half * 0.55, 0.0):
                y = top + height * (0.35 if x else 0.75)
                at = self.pixel((x, y))
                radius = self.width(0.007)
                draw_processes.ellipse(
                    [at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius], fill=255
                )
            top, height = top + height, height * 1.022
        body = self.shape(bodies)
        edges = np.clip(blur(body, 0.0015) - blur(body, 0.006), 0, 1)
        return float32(
            0.08 * blur(body, 0.003) + 0.10 * edges + 0.03 * blur(self.shape(processes), 0.003)
        )

    def _ribs(self) -> Picture:
        """Ten pairs, each a tilted ring seen from the front, with its back, side and front part."""
        back, draw_back = self.canvas()
        front, draw_front = self.canvas()
        for side in (-1, 1):
            for number in range(10):
                ring = self._rib(side, number)
                width = self.width(0.019 + 0.0012 * min(number, 4))
                draw_back.line(ring[:34], fill=255, width=width, joint="curve")
                draw_front.line(ring[30:48], fill=255, width=width, joint="curve")
        return float32(self._bone(back, 0.16) + self._bone(front, 0.09))

    def _rib(self, side: int, number: int) -> list[tuple[float, float]]:
        top = 0.12 + 0.055 * number
        reach = self.wall * float(
            np.interp(number, [0, 1, 3, 6, 9], [0.46, 0.60, 0.79, 0.95, 0.99])
        )
        drop = float(np.interp(number, [0, 2, 6, 9], [0.15, 0.26, 0.38, 0.42]))
        angles = np.linspace(0.06, 2.45, 56)
        x = side * reach * np.sin(angles) ** 0.92
        y = top - 0.03 * np.sin(angles * 1.25) + drop * (1 - np.cos(angles)) / 2 * 1.25
        return [self.pixel((float(a), float(b))) for a, b in zip(x, y, strict=True)]

    def _bone(self, canvas: Image.Image, amount: float) -> Picture:
        """A bone absorbs most at its rim, where the beam runs along the cortex."""
        shape = self.shape(canvas)
        rim = np.clip(blur(shape, 0.0012) - blur(shape, 0.0055), 0, 1)
        return float32(amount * (0.62 * blur(shape, 0.0022) + 1.1 * rim))

    def _clavicles(self) -> Picture:
        canvas, draw = self.canvas()
        for side in (-1, 1):
            knots = [(0.035, 0.185), (0.12, 0.172), (0.21, 0.142), (0.30, 0.118), (0.40, 0.10)]
            points = smooth([(side * x * self.wall / 0.4, y) for x, y in knots], closed=False)
            pixels = [self.pixel(point) for point in points]
            draw.line(pixels, fill=255, width=self.width(0.026), joint="curve")
        return self._bone(canvas, 0.16)

    def _arms(self) -> Picture:
        """The upper arms beside the chest, with their bones."""
        flesh, bone = np.zeros_like(self.x), np.zeros_like(self.x)
        for side in (-1, 1):
            knots = [(0.40, 0.13), (0.47, 0.22), (0.52, 0.40), (0.54, 0.62)]
            scaled = [(side * x * self.wall / 0.4, y) for x, y in knots]
            flesh = np.maximum(flesh, self.stroke(scaled, 0.10))
            bone = np.maximum(bone, self.stroke(scaled, 0.035))
        rim = np.clip(blur(bone, 0.002) - blur(bone, 0.008), 0, 1)
        return float32(0.22 * blur(flesh, 0.006) + 0.13 * blur(bone, 0.003) + 0.15 * rim)

    def _scapulae(self) -> Picture:
        canvas, draw = self.canvas()
        for side in (-1, 1):
            blade = [
                (0.325, 0.17),
                (0.345, 0.28),
                (0.375, 0.43),
                (0.40, 0.47),
                (0.43, 0.35),
                (0.47, 0.19),
            ]
            points = smooth([(side * x * self.wall / 0.4, y) for x, y in blade], closed=True)
            draw.polygon([self.pixel(point) for point in points], fill=255)
        return self._bone(canvas, 0.07)
