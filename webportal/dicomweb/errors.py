"""Refusals of DICOMweb requests, with the statuses of PS3.18."""

from http import HTTPStatus

from rest_framework.exceptions import APIException


class BadQuery(APIException):
    """A parameter of the address cannot be used."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "bad_query"


class NotAcceptable(APIException):
    """None of the media types that the caller accepts can be given."""

    status_code = HTTPStatus.NOT_ACCEPTABLE
    default_code = "not_acceptable"


class UnsupportedMedia(APIException):
    """The body is of a type that is not taken."""

    status_code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    default_code = "unsupported_media_type"


class BadBody(APIException):
    """The body is not what its Content-Type says."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "bad_body"


class NotReadable(APIException):
    """A stored file is missing, damaged, or cannot be shown."""

    status_code = HTTPStatus.INTERNAL_SERVER_ERROR
    default_code = "not_readable"
