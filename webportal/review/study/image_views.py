"""Images of the study page and the files behind them."""

import logging
import uuid
from io import BytesIO

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET

from ml.errors import ImageError
from webportal.access.shown import show
from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.inference.models import Prediction
from webportal.records.choices import Purpose
from webportal.records.files import StoredFileError, read_dicom, read_original
from webportal.records.models import Radiograph
from webportal.review.reads.blinding import visible_predictions
from webportal.review.study import rendering

logger = logging.getLogger(__name__)

EXTENSIONS = {"application/dicom": "dcm", "image/jpeg": "jpg", "image/png": "png"}


@allow(Role.RADIOLOGIST)
@require_GET
def image(request: SignedInRequest, radiograph_id: uuid.UUID) -> HttpResponse:
    """The radiograph as a PNG, for browsers in which the viewer does not run."""
    radiograph = get_object_or_404(Radiograph.objects.visible_to(request.user), pk=radiograph_id)
    try:
        picture = rendering.radiograph_png(read_dicom(radiograph))
    except StoredFileError as error:
        return _failure(str(error.message))
    except ImageError as error:
        logger.warning("Radiograph %s cannot be shown: %s", radiograph.pk, error.code)
        return _failure(error.message)
    append(
        Event(Action.IMAGE_FETCHED, "radiograph", radiograph.pk, radiograph.study_id), request.user
    )
    show(request, study_ids=[radiograph.study_id])
    return HttpResponse(picture, content_type="image/png")


@allow(Role.RADIOLOGIST)
@require_GET
def heatmap(request: SignedInRequest, prediction_id: uuid.UUID) -> HttpResponse:
    """The heat map of a result as a PNG to overlay on the radiograph."""
    visible = Prediction.objects.visible_to(request.user).filter(visible_predictions(request.user))
    predictions = visible.select_related("radiograph").exclude(heatmap_rows=0)
    predictions = predictions.exclude(purpose=Purpose.WITHHELD)
    prediction = get_object_or_404(predictions, pk=prediction_id)
    picture = rendering.heatmap_png(
        bytes(prediction.heatmap),
        prediction.heatmap_rows,
        prediction.heatmap_columns,
        prediction.radiograph.rows,
        prediction.radiograph.columns,
    )
    show(request, study_ids=[prediction.radiograph.study_id])
    return HttpResponse(picture, content_type="image/png")


@allow(Role.RADIOLOGIST)
@require_GET
@cache_control(public=True, max_age=86400)
def legend(request: HttpRequest) -> HttpResponse:
    """The colours of the heat maps."""
    return HttpResponse(rendering.legend_png(), content_type="image/png")


@allow(Role.RADIOLOGIST)
@require_GET
def original(request: SignedInRequest, radiograph_id: uuid.UUID) -> HttpResponseBase:
    """The file as it was uploaded, byte for byte."""
    radiograph = get_object_or_404(Radiograph.objects.visible_to(request.user), pk=radiograph_id)
    try:
        data = read_original(radiograph)
    except StoredFileError as error:
        return _failure(str(error.message))
    append(
        Event(Action.IMAGE_DOWNLOADED, "radiograph", radiograph.pk, radiograph.study_id),
        request.user,
    )
    show(request, study_ids=[radiograph.study_id])
    return FileResponse(
        BytesIO(data),
        as_attachment=True,
        filename=f"{radiograph.pk}.{EXTENSIONS.get(radiograph.media_type, 'bin')}",
        content_type=radiograph.media_type,
    )


def _failure(message: str) -> HttpResponse:
    return HttpResponse(message, status=500, content_type="text/plain; charset=utf-8")
