"""Refusals of DICOMweb requests, with the statuses of PS3.18."""

from http import HTTPStatus

from rest_framework.exceptions import APIException


class BadQuery(APIException):
    """A query parameter is invalid."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "bad_query"


class NotAcceptable(APIException):
    """None of the accepted media types is available."""

    status_code = HTTPStatus.NOT_ACCEPTABLE
    default_code = "not_acceptable"


class UnsupportedMedia(APIException):
    """The media type of the body is not supported."""

    status_code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    default_code = "unsupported_media_type"


class BadBody(APIException):
    """The body does not match its Content-Type."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "bad_body"


class NotReadable(APIException):
    """A stored file is missing, damaged, or cannot be shown."""

    status_code = HTTPStatus.INTERNAL_SERVER_ERROR
    default_code = "not_readable"
