"""Content negotiation (PS3.18 8.7): accepted and available media types."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.http import parse_header_parameters
from pydicom import uid

from webportal.dicomweb.errors import NotAcceptable

ANYTHING = "*/*"
DICOM = "application/dicom"
JSON = "application/dicom+json"
OCTETS = "application/octet-stream"
AS_STORED = "*"

#: The media types of compressed frames (PS3.18 table 8.7.3-5).
FRAME_TYPES = {
    uid.JPEGBaseline8Bit: "image/jpeg",
    uid.JPEGExtended12Bit: "image/jpeg",
    uid.JPEGLossless: "image/jpeg",
    uid.JPEGLosslessSV1: "image/jpeg",
    uid.JPEGLSLossless: "image/jls",
    uid.JPEGLSNearLossless: "image/jls",
    uid.JPEG2000Lossless: "image/jp2",
    uid.JPEG2000: "image/jp2",
    uid.RLELossless: "image/dicom-rle",
}
#: In this order of preference.
RENDERED_TYPES = ("image/jpeg", "image/png")
#: Transfer syntaxes in which stored files are sent unchanged; others are converted
#: (PS3.18 8.7.3.5.2).
AS_THEY_ARE = frozenset({uid.ExplicitVRLittleEndian, *FRAME_TYPES})


@dataclass(frozen=True)
class AcceptedType:
    """A media type that the caller accepts; for multipart/related, the type of the parts."""

    media_type: str
    is_multipart: bool = False
    transfer_syntax: str = ""
    quality: float = 1.0

    def covers(self, media_type: str) -> bool:
        """Whether this type or wildcard includes another type."""
        main = media_type.partition("/")[0]
        return self.media_type in (ANYTHING, media_type, f"{main}/*")

    def takes(self, syntax: str) -> bool:
        """Whether a transfer syntax is accepted; the default is Explicit VR Little Endian."""
        if self.transfer_syntax == AS_STORED or self.media_type == ANYTHING:
            return not self.transfer_syntax or self.transfer_syntax in (AS_STORED, syntax)
        return (self.transfer_syntax or uid.ExplicitVRLittleEndian) == syntax


@dataclass(frozen=True)
class ResponseFormat:
    """The form of a response: multipart or single part, media type and transfer syntax."""

    is_multipart: bool
    media_type: str
    transfer_syntax: str


def accepted(request: HttpRequest) -> list[AcceptedType]:
    """Return the accepted media types by descending preference; any type if none is given.

    The query parameter `accept` replaces the header (PS3.18 8.3.3.1).
    """
    text = request.GET.get("accept") or request.headers.get("Accept") or ANYTHING
    found = [_accepted(part) for part in _split(text)]
    return sorted((each for each in found if each.quality > 0), key=lambda each: -each.quality)


def require_json(request: HttpRequest) -> None:
    """Raise NotAcceptable unless the caller accepts DICOM JSON."""
    if not any(
        not each.is_multipart and (each.covers(JSON) or each.covers("application/json"))
        for each in accepted(request)
    ):
        raise NotAcceptable(f"This is only available as {JSON}.")


def rendered_type(request: HttpRequest) -> str:
    """Return the media type of a rendered image. Raises NotAcceptable."""
    for each in accepted(request):
        for media_type in RENDERED_TYPES:
            if not each.is_multipart and each.covers(media_type):
                return media_type
    raise NotAcceptable(f"Rendered images are available as {' or '.join(RENDERED_TYPES)}.")


def instance_forms(request: HttpRequest, *, is_single: bool) -> list[AcceptedType]:
    """Return the accepted types in which whole instances are available. Raises NotAcceptable."""
    found = [
        each
        for each in accepted(request)
        if each.covers(DICOM) and (each.is_multipart or each.media_type == ANYTHING or is_single)
    ]
    if not found:
        raise NotAcceptable(f'Instances are available as multipart/related; type="{DICOM}".')
    return found


def form_of_instance(forms: list[AcceptedType], stored: str) -> ResponseFormat | None:
    """Return how to send an instance stored in a transfer syntax; None if that is not possible."""
    offered = [stored, uid.ExplicitVRLittleEndian]
    for syntax in dict.fromkeys(each for each in offered if each in AS_THEY_ARE):
        for each in forms:
            if each.takes(syntax):
                return ResponseFormat(_in_parts(each), DICOM, syntax)
    return None


def form_of_frame(request: HttpRequest, stored: str) -> ResponseFormat:
    """Return how to send a frame stored in a transfer syntax. Raises NotAcceptable."""
    plain = uid.ExplicitVRLittleEndian
    compressed = FRAME_TYPES.get(uid.UID(stored))
    for each in accepted(request):
        if compressed is not None:
            has_own_syntax = each.transfer_syntax in ("", AS_STORED, stored)
            if each.covers(compressed) and has_own_syntax:
                return ResponseFormat(_in_parts(each), compressed, stored)
            if each.covers(OCTETS) and each.takes(stored):
                return ResponseFormat(_in_parts(each), OCTETS, stored)
        if each.covers(OCTETS) and (each.takes(plain) or each.transfer_syntax == AS_STORED):
            return ResponseFormat(_in_parts(each), OCTETS, plain)
    raise NotAcceptable(
        f'Frames are available as multipart/related; type="{OCTETS}", uncompressed or as they are'
        " stored (transfer-syntax=*)."
    )


def form_of_bulk_data(request: HttpRequest) -> ResponseFormat:
    """Return how to send other bulk data. Raises NotAcceptable."""
    for each in accepted(request):
        if each.covers(OCTETS):
            return ResponseFormat(_in_parts(each), OCTETS, "")
    raise NotAcceptable(f'Bulk data is available as multipart/related; type="{OCTETS}".')


def _in_parts(each: AcceptedType) -> bool:
    return each.is_multipart or each.media_type == ANYTHING


def _accepted(text: str) -> AcceptedType:
    media_type, parameters = parse_header_parameters(text)
    try:
        quality = float(parameters.get("q", 1))
    except ValueError:
        quality = 1.0
    syntax = parameters.get("transfer-syntax", "").strip('"')
    if media_type == "multipart/related":
        of_parts = parameters.get("type", ANYTHING).strip('"').lower()
        return AcceptedType(of_parts, True, syntax, quality)
    return AcceptedType(media_type, False, syntax, quality)


def _split(text: str) -> list[str]:
    """Split at commas outside quotes."""
    parts, is_quoted = [""], False
    for letter in text:
        is_quoted ^= letter == '"'
        if letter == "," and not is_quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def content_type(form: ResponseFormat) -> str:
    """The Content-Type of a part, or of a single-part response."""
    if not form.transfer_syntax:
        return form.media_type
    return f"{form.media_type}; transfer-syntax={form.transfer_syntax}"
