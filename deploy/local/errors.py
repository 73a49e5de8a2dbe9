"""Errors of services that do not start."""


class ServiceError(Exception):
    """A service could not be started; the message says why and what to do."""
