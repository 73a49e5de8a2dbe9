"""Where the bytes of uploaded files are kept: a folder, or an S3 bucket."""

from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def storage_from_url(url: str) -> dict[str, Any]:
    """Turn `STORAGE_URL` into an entry of Django's STORAGES.

    `file:///absolute/folder` keeps files in a folder that portal and workers share.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {
                "location": unquote(parts.path),
                "file_permissions_mode": 0o640,
                "directory_permissions_mode": 0o750,
            },
        }
    raise ImproperlyConfigured(
        f"STORAGE_URL is {url!r}; it must look like file:///absolute/folder."
    )
