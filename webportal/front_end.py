"""The built front end as it is on the disk now: it may be built anew while the portal runs."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_vite.core.asset_loader import DjangoViteAppClient, DjangoViteConfig, ManifestClient
from django_vite.core.asset_loader import ManifestEntry as Entry
from django_vite.core.exceptions import DjangoViteManifestError
from whitenoise.middleware import WhiteNoiseMiddleware


class CurrentManifest(ManifestClient):  # type: ignore[misc]
    """Reads the manifest again when it has changed; while there is none the last one counts."""

    def __init__(self, config: DjangoViteConfig, app_name: str) -> None:
        super().__init__(config, app_name)
        self._changed_at = 0

    def get(self, path: str) -> Entry:
        """Return the entry for a source. Raises DjangoViteAssetNotFoundError for an unknown one."""
        self._read_when_changed()
        return super().get(path)

    def _read_when_changed(self) -> None:
        try:
            changed_at = self.manifest_path.stat().st_mtime_ns
            if changed_at == self._changed_at:
                return
            self._entries, self.legacy_polyfills_entry = self._parse_manifest()
        except (OSError, DjangoViteManifestError):
            return  # a build is under way
        self._changed_at = changed_at


class FrontEnd(DjangoViteAppClient):  # type: ignore[misc]
    """What the template tags of django-vite ask."""

    ManifestClient = CurrentManifest


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Serves static files, those that came since the start too; one that is gone is not found."""

    # For how many seconds browsers keep a file with a hash in its name: a year.
    FOREVER = 365 * 24 * 60 * 60

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve the file that the path names, or hand the request on."""
        path = request.path_info
        if path.startswith(self.static_prefix):
            file = self.files.get(path) or self.find_file(path)
            if file is not None:
                try:
                    response: HttpResponseBase = self.serve(file, request)
                except FileNotFoundError:
                    self.files.pop(path, None)
                else:
                    self.files[path] = file
                    return response
        answer: HttpResponseBase = self.get_response(request)
        return answer
