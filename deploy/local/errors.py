"""What goes wrong when a service is started."""


class ServiceError(Exception):
    """A service could not be started; the message says why and what to do."""
