"""Pictures that come with Python packages and are not chest radiographs.

From scikit-image and scikit-learn (photographs, faces, pages, microscopy) and from pydicom's test
files (CT, MR, ultrasound, a bone scan). All are read from the installed packages; nothing is
downloaded. SciPy's own pictures are not among them: they would have to be.
"""

import warnings
from typing import NamedTuple

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.data import get_testdata_file

from ml.research.ood_samples.drawn import SIZE, Picture, Rng
from ml.serving.preprocessing import squeeze

SMALLEST_CROP = 0.5


class Source(NamedTuple):
    """One shipped image, (height, width) of any grey scale, with its kind."""

    kind: str
    name: str
    greys: NDArray[np.float32]


# By kind, functions of skimage.data, and names of pydicom's test files.
SCIKIT_IMAGE = {
    "photographs": "astronaut camera cat coffee rocket colorwheel clock coins moon"
    " hubble_deep_field horse brick grass gravel",
    "pages": "page text logo",
    "microscopy and eye grounds": "cell immunohistochemistry retina microaneurysms",
    "Shepp and Logan's phantom": "shepp_logan_phantom",
}
DICOM = {
    "CT and MR slices": "CT_small MR_small J2K_pixelrep_mismatch examples_overlay 693_J2KI",
    "ultrasound and bone scans": "examples_rgb_color examples_palette examples_jpeg2k JPEG2000",
}
FACES = 100  # the first of the 200 small pictures; the rest are not faces
# Never fitted on, only measured.
UNSEEN = ("faces", "ultrasound and bone scans", "Shepp and Logan's phantom")


def sources() -> list[Source]:
    """Read all shipped pictures. Raises ModuleNotFoundError without the extra `evaluation`."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    def shipped(name: str) -> NDArray[np.generic]:
        return np.asarray(getattr(data, name)())

    images = [
        Source(kind, name, _grey(shipped(name)))
        for kind, names in SCIKIT_IMAGE.items()
        for name in names.split()
    ]
    images += [
        Source("photographs", name, _grey(picture))
        for name, picture in zip(("china", "flower"), load_sample_images().images, strict=True)
    ]
    images += [
        Source("faces", str(i), _grey(face)) for i, face in enumerate(shipped("lfw_subset")[:FACES])
    ]
    images += [
        Source(kind, name, _dicom(name)) for kind, names in DICOM.items() for name in names.split()
    ]
    return images


def vary(greys: NDArray[np.float32], rng: Rng) -> Picture:
    """Return a view of a picture: a crop, with its own window of greys, any way up."""
    height, width = greys.shape
    h, w = (np.array([height, width]) * rng.uniform(SMALLEST_CROP, 1, 2)).astype(int)
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    crop = greys[top : top + h, left : left + w]
    low, high = np.percentile(crop, [rng.uniform(0, 10), rng.uniform(90, 100)])
    windowed = ((crop - low) / max(high - low, 1e-6)).clip(0, 1) ** np.exp(rng.uniform(-0.5, 0.5))
    view = np.rot90(windowed, int(rng.integers(4)))[:, :: int(rng.choice([-1, 1]))]
    return np.asarray(squeeze((view * 255).astype(np.uint8), SIZE))


def _dicom(name: str) -> NDArray[np.float32]:
    with warnings.catch_warnings():  # some of the test files are broken on purpose
        warnings.simplefilter("ignore")
        path = str(get_testdata_file(f"{name}.dcm", download=False))
        return _grey(pydicom.dcmread(path).pixel_array)


def _grey(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    floats = np.asarray(pixels, np.float32)
    return floats[..., :3].mean(axis=-1) if floats.ndim == 3 else floats
