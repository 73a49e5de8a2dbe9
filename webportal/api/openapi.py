"""The OpenAPI document, as the portal serves it."""

from functools import cache
from typing import Any

from django.http import HttpResponse
from django.utils import translation
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request


class OpenAPIDocument(SpectacularAPIView):
    """Independent of the caller, so each process renders it once (about a second)."""

    renderer_classes = [OpenApiYamlRenderer]

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """Public: requires no sign-in."""
        headers = {"Content-Disposition": 'inline; filename="Chestline.yaml"'}
        return HttpResponse(_document(), OpenApiYamlRenderer.media_type, headers=headers)


@cache
def _document() -> bytes:
    with translation.override("en"):
        generator: Any = SpectacularAPIView.generator_class()
        renderer: Any = OpenApiYamlRenderer()
        document: bytes = renderer.render(generator.get_schema(request=None, public=True))
    return document
