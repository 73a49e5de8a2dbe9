"""Retrieval of instances, metadata, frames and other bulk data (WADO-RS, PS3.18 10.4)."""

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import Any

from django.conf import settings
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from pydicom.uid import ExplicitVRLittleEndian
from rest_framework.request import Request

from ml.errors import ImageError
from webportal.access.shown import show
from webportal.accounts.models import Role
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.dicomweb import addresses, multipart, negotiation
from webportal.dicomweb.endpoint import DicomwebEndpoint
from webportal.dicomweb.errors import BadQuery, NotAcceptable, NotReadable
from webportal.dicomweb.instances import Instance
from webportal.dicomweb.metadata import metadata_of, metadata_of_report
from webportal.dicomweb.negotiation import AcceptedType, ResponseFormat
from webportal.dicomweb.reports import StructuredReport
from webportal.records.files import StoredFileError, read_dicom
from webportal.records.models import Radiograph

# Larger bodies are buffered on disk while they are sent.
_MEMORY_BYTES = 32 * 1024**2
_CHUNK = 1024**2
_HEX_DIGITS = frozenset("0123456789ABCDEFabcdef")


class RetrievalEndpoint(DicomwebEndpoint):
    """Images and reports, for radiologists only; each one sent is recorded in the audit trail."""

    roles = dict.fromkeys(("retrieve", "describe", "frames", "bulk_data"), (Role.RADIOLOGIST,))

    def retrieve(
        self, request: Request, study: str, series: str = "", instance: str = ""
    ) -> HttpResponseBase:
        """The instances of a study or a series, or a single one, as DICOM files."""
        stored = self.stored(study, series, instance)
        forms = negotiation.instance_forms(request, is_single=bool(instance))
        body = SpooledTemporaryFile[bytes](_MEMORY_BYTES, dir=str(settings.UPLOAD_TEMP_DIR))
        try:
            sent, content_type = _write_files(body, stored, forms)
            self.record_sent(sent, "dicom")
        except BaseException:
            body.close()
            raise
        show(request, *(each.study for each in sent))
        body.seek(0)
        response = FileResponse(body, content_type=content_type)
        response.block_size = _CHUNK
        if len(sent) < len(stored):
            response.status_code = HTTPStatus.PARTIAL_CONTENT
            missing = len(stored) - len(sent)
            response.headers["Warning"] = f'299 Chestline "{missing} instances cannot be sent."'
        return response

    def describe(
        self, request: Request, study: str, series: str = "", instance: str = ""
    ) -> HttpResponse:
        """The metadata of the same instances as DICOM JSON; fails if any file is unreadable."""
        stored = self.stored(study, series, instance)
        negotiation.require_json(request)
        root = addresses.root(request)
        try:
            described = [
                metadata_of(each, read_file(each), root)
                if isinstance(each, Radiograph)
                else metadata_of_report(each, root)
                for each in stored
            ]
        except ImageError as error:
            raise NotReadable(error.message) from error
        found = stored[0].study
        append(Event(Action.STUDY_VIEWED, "study", found.pk, found.pk), self.person)
        # The metadata of a report contain its whole content.
        self.record_sent([each for each in stored if isinstance(each, StructuredReport)], "json")
        show(request, found)
        return HttpResponse(f"[{','.join(described)}]", content_type=negotiation.JSON)

    def frames(
        self, request: Request, study: str, series: str, instance: str, frames: str
    ) -> HttpResponseBase:
        """The frame of an instance; every radiograph has exactly one."""
        [radiograph] = self.radiographs(study, series, instance)
        check_frames(frames)
        try:
            opened = Instance(radiograph, read_file(radiograph))
            form = negotiation.form_of_frame(request, opened.syntax)
            content = opened.frame(form.transfer_syntax)
        except ImageError as error:
            raise NotReadable(error.message) from error
        return self._bulk_data(request, radiograph, form, content, "frame")

    def bulk_data(
        self, request: Request, study: str, series: str, instance: str, tag: str
    ) -> HttpResponseBase:
        """The value of a binary element, at the BulkDataURI of the metadata."""
        [radiograph] = self.radiographs(study, series, instance)
        if len(tag) != 8 or not _HEX_DIGITS.issuperset(tag):
            raise Http404
        form = negotiation.form_of_bulk_data(request)
        try:
            content = Instance(radiograph, read_file(radiograph)).bulk_data(int(tag, 16))
        except ImageError as error:
            raise NotReadable(error.message) from error
        if content is None:
            raise Http404
        return self._bulk_data(request, radiograph, form, content, "bulk data")

    def _bulk_data(
        self,
        request: Request,
        radiograph: Radiograph,
        form: ResponseFormat,
        content: bytes,
        kind: str,
    ) -> HttpResponseBase:
        self.record_sent([radiograph], kind)
        show(request, radiograph.study)
        content_type = negotiation.content_type(form)
        if not form.is_multipart:
            return HttpResponse(content, content_type=content_type)
        boundary = multipart.new_boundary()
        return StreamingHttpResponse(
            multipart.write([(content_type, [content])], boundary),
            content_type=_of_parts(form, boundary),
        )


def check_frames(frames: str) -> None:
    """Raise BadQuery unless this is a list of frames, Http404 for any frame but the first.

    Multi-frame images are not accepted.
    """
    numbers = frames.split(",")
    if not all(each.isascii() and each.isdecimal() for each in numbers):
        raise BadQuery("Frames are numbers, separated by commas.")
    if any(each != "1" for each in numbers):
        raise Http404


def _write_files(
    body: Any, stored: list[Radiograph | StructuredReport], forms: list[AcceptedType]
) -> tuple[list[Radiograph | StructuredReport], str]:
    """Write instances to a body; return those that can be sent, and the Content-Type.

    Raises NotAcceptable or NotReadable if there are none.
    """
    sent: list[Radiograph | StructuredReport] = []
    used: list[ResponseFormat] = []
    errors: list[Exception] = []
    boundary = multipart.new_boundary()

    def parts() -> Iterator[tuple[str, list[bytes]]]:
        for each in stored:
            try:
                form, content = _file_of(each, forms, used)
            except (NotAcceptable, NotReadable) as error:
                errors.append(error)
                continue
            sent.append(each)
            used.append(form)
            yield negotiation.content_type(form), [content]

    if len(stored) == 1:
        form, content = _file_of(stored[0], forms, [])
        if not form.is_multipart:
            body.write(content)
            return stored, negotiation.content_type(form)
    for chunk in multipart.write(parts(), boundary):
        body.write(chunk)
    if not sent:
        raise errors[0]
    return sent, _of_parts(used[0], boundary)


def _file_of(
    stored: Radiograph | StructuredReport, forms: list[AcceptedType], before: list[ResponseFormat]
) -> tuple[ResponseFormat, bytes]:
    """An instance in one of the accepted formats; `before`: the formats of the parts before it.

    A report has no compressed transfer syntax. Where the images of a study are sent in one, its
    reports are sent in the default one: each part may have its own (PS3.18 8.7.8.2).
    """
    if not isinstance(stored, Radiograph):
        if before and negotiation.form_of_instance(forms, ExplicitVRLittleEndian) is None:
            return replace(before[0], transfer_syntax=ExplicitVRLittleEndian), stored.file
        return _form_of(forms, ExplicitVRLittleEndian), stored.file
    try:
        instance = Instance(stored, read_file(stored))
        form = _form_of(forms, instance.syntax)
        return form, instance.file(form.transfer_syntax)
    except ImageError as error:
        raise NotReadable(error.message) from error


def _form_of(forms: list[AcceptedType], syntax: str) -> ResponseFormat:
    form = negotiation.form_of_instance(forms, syntax)
    if form is None:
        raise NotAcceptable(
            "The transfer syntax is not available: request transfer-syntax=*, or none to"
            " get Explicit VR Little Endian."
        )
    return form


def read_file(radiograph: Radiograph) -> bytes:
    """Return the stored file of an image. Raises NotReadable."""
    try:
        return read_dicom(radiograph)
    except StoredFileError as error:
        raise NotReadable(str(error.message), error.code) from error


def _of_parts(form: ResponseFormat, boundary: str) -> str:
    return f'multipart/related; type="{form.media_type}"; boundary={boundary}'
