"""Full-depth pixels of a radiograph for the viewer.

The viewer caches and prefetches images. Sending and viewing are therefore separate audit entries:
`image_fetched` when the pixels leave the portal, `image_viewed` when the viewer reports that they
are on the screen.
"""

import json
import logging
import uuid
from dataclasses import asdict
from typing import Any

import numpy as np
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ml import images
from ml.errors import ImageError
from ml.images import Overlay, Shutter, StoredImage
from webportal.access.shown import show
from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records.files import StoredFileError, read_dicom
from webportal.records.models import Radiograph, Study
from webportal.review.reads.reservation import peek_next
from webportal.review.reads.viewing import record_viewed

logger = logging.getLogger(__name__)

# The pixels are aligned to a multiple of this, so that the browser can use them in place.
ALIGNMENT = 8


@allow(Role.RADIOLOGIST)
@require_GET
def pixels(request: SignedInRequest, radiograph_id: uuid.UUID) -> HttpResponse:
    """The radiograph as `pack` writes it."""
    radiograph = get_object_or_404(Radiograph.objects.visible_to(request.user), pk=radiograph_id)
    try:
        packed = pack(images.read_stored(read_dicom(radiograph)))
    except StoredFileError as error:
        return JsonResponse({"detail": str(error.message)}, status=500)
    except ImageError as error:
        logger.warning("Radiograph %s cannot be shown: %s", radiograph.pk, error.code)
        return JsonResponse({"detail": error.message}, status=500)
    event = Event(Action.IMAGE_FETCHED, "radiograph", radiograph.pk, radiograph.study_id)
    append(event, request.user)
    show(request, study_ids=[radiograph.study_id])
    return HttpResponse(packed, content_type="application/octet-stream")


@allow(Role.RADIOLOGIST)
@require_POST
def viewed(request: SignedInRequest, radiograph_id: uuid.UUID) -> HttpResponse:
    """Record that the radiograph is on the reader's screen."""
    record_viewed(
        get_object_or_404(Radiograph.objects.visible_to(request.user), pk=radiograph_id),
        request.user,
    )
    return HttpResponse(status=204)


@allow(Role.RADIOLOGIST)
@require_GET
def ahead(request: SignedInRequest, study_id: uuid.UUID) -> JsonResponse:
    """URLs of the pixels that the reader will probably need after this study."""
    following = peek_next(
        request.user, get_object_or_404(Study.objects.visible_to(request.user), pk=study_id)
    )
    radiographs = [each for study in following for each in study.radiographs.all()]
    return JsonResponse(
        {"pixels": [reverse("review:pixels", args=[each.pk]) for each in radiographs]}
    )


def pack(image: StoredImage) -> bytes:
    """Serialise an image as a header and its pixels.

    Four bytes hold the length of the header that follows them, little-endian; the header is JSON,
    padded with spaces; then come rows × columns values, row by row, little-endian, of the
    JavaScript type named in the header. If the header has an overlay with planes, one bit per pixel
    follows, row by row without padding, least significant bit first; 1 is drawn. `aspect` is the
    ratio of a pixel's height to its width, and `notes` state in the reader's language which display
    attributes of the file could not be used.
    """
    kinds = {"uint8": "Uint8Array", "uint16": "Uint16Array", "int16": "Int16Array"}
    rows, columns = image.pixels.shape
    header = json.dumps(
        {
            "rows": rows,
            "columns": columns,
            "type": kinds[image.pixels.dtype.name],
            "lower": image.lower,
            "upper": image.upper,
            "isInverted": image.is_inverted,
            "hasStoredValues": image.has_stored_values,
            "spacing": image.spacing,
            "isCalibrated": image.is_calibrated,
            "aspect": image.aspect,
            "orientation": image.orientation,
            "overlay": _overlay_facts(image.overlay),
            "shutter": _shutter_facts(image.shutter),
            "notes": [_(note) for note in image.notes],
        },
        allow_nan=False,
    ).encode()
    header += b" " * (-(len(header) + 4) % ALIGNMENT)
    little_endian = image.pixels.astype(image.pixels.dtype.newbyteorder("<"), copy=False)
    parts = [len(header).to_bytes(4, "little"), header, little_endian.tobytes()]
    if image.overlay is not None and image.overlay.planes:
        parts.append(np.packbits(image.overlay.mask, bitorder="little").tobytes())
    return b"".join(parts)


def _shutter_facts(shutter: Shutter | None) -> dict[str, Any] | None:
    return asdict(shutter) if shutter is not None and shutter != Shutter() else None


def _overlay_facts(overlay: Overlay | None) -> dict[str, int | bool] | None:
    if overlay is None:
        return None
    return {
        "planes": overlay.planes,
        "unreadable": overlay.unreadable,
        "isCut": overlay.is_cut,
    }
