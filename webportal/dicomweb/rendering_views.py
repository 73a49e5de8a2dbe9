"""Rendered images and thumbnails (PS3.18 10.4.1.1.3 and 10.4.1.1.4)."""

from django.http import HttpResponse
from rest_framework.request import Request

from ml.errors import ImageError
from webportal.access.shown import show
from webportal.accounts.models import Role
from webportal.dicomweb import negotiation, rendering
from webportal.dicomweb.endpoint import DicomwebEndpoint
from webportal.dicomweb.errors import NotReadable
from webportal.dicomweb.retrieval_views import check_frames, read_file
from webportal.records.models import Radiograph

_THUMBNAIL = (256, 256)


class RenderingEndpoint(DicomwebEndpoint):
    """Images as JPEG or PNG, with the overlays of their files and nothing else."""

    roles = dict.fromkeys(("rendered", "thumbnail"), (Role.RADIOLOGIST,))

    def rendered(
        self, request: Request, study: str, series: str, instance: str, frames: str = "1"
    ) -> HttpResponse:
        """An instance, or its frame."""
        [radiograph] = self.radiographs(study, series, instance)
        check_frames(frames)
        media_type = negotiation.rendered_type(request)
        wanted = rendering.read(request.GET)
        return self._picture(request, radiograph, wanted, media_type, "rendered")

    def thumbnail(
        self, request: Request, study: str, series: str = "", instance: str = "", frames: str = "1"
    ) -> HttpResponse:
        """A thumbnail of an instance, or of the first one of a series or study."""
        radiograph = self.radiographs(study, series, instance)[0]
        check_frames(frames)
        media_type = negotiation.rendered_type(request)
        size = rendering.read(request.GET).size or _THUMBNAIL
        wanted = rendering.RequestedRendering(size=size)
        return self._picture(request, radiograph, wanted, media_type, "thumbnail")

    def _picture(
        self,
        request: Request,
        radiograph: Radiograph,
        wanted: rendering.RequestedRendering,
        media_type: str,
        kind: str,
    ) -> HttpResponse:
        try:
            picture = rendering.render(read_file(radiograph), wanted, media_type)
        except ImageError as error:
            raise NotReadable(error.message) from error
        self.record_sent([radiograph], kind)
        show(request, radiograph.study)
        return HttpResponse(picture, content_type=media_type)
