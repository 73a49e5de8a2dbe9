"""Outcomes of delivery attempts, and the interface of senders."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from webportal.delivery.models import Delivery, Destination
from webportal.network.models import StorageRequest


class Result(Enum):
    """The result of an attempt."""

    DELIVERED = auto()
    #: Permanently refused: sending it again would not help.
    REJECTED = auto()
    #: Refused, perhaps by a fault of the destination: repeated for a while, then rejected.
    DOUBTFUL = auto()
    #: Temporarily refused, or the outcome is unknown; sending it again is harmless.
    AGAIN = auto()
    #: The destination is unreachable, or takes nothing at present.
    AWAY = auto()


@dataclass(frozen=True)
class Outcome:
    """The result of an attempt, its reason, and the destination's own status code.

    A destination that is away may say after how many seconds to return.
    """

    result: Result
    code: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    answer: str = ""
    wait_seconds: float = 0.0


def delivered(answer: str = "") -> Outcome:
    """The destination has the document."""
    return Outcome(Result.DELIVERED, answer=answer)


def busy(answer: str) -> Outcome:
    """The destination refused it temporarily."""
    return Outcome(Result.AGAIN, "busy", {"answer": answer}, answer)


def rejected(answer: str) -> Outcome:
    """The destination refused it permanently."""
    return Outcome(Result.REJECTED, "rejected_by_destination", {"answer": answer}, answer)


def doubtful(answer: str) -> Outcome:
    """The destination refused it, perhaps because of a fault of its own."""
    return Outcome(Result.DOUBTFUL, "rejected_by_destination", {"answer": answer}, answer)


def of_error(error: Exception) -> Outcome:
    """The outcome of an attempt that raised an error before anything was sent."""
    if isinstance(error, UnicodeError):  # in looking up a host name such as a..b
        return Outcome(Result.AWAY, "host_invalid")
    if isinstance(error, OSError):  # in reading a certificate
        return Outcome(Result.AWAY, "certificate_unreadable")
    return Outcome(Result.AGAIN, "internal", {"error": type(error).__name__})


NO_ANSWER = Outcome(Result.AGAIN, "no_answer")
NOT_REACHED = Outcome(Result.AWAY, "not_reached")


@dataclass(frozen=True)
class Confirmation:
    """What a destination says that it has, by SOP Instance UID, or the request that it reports on.

    `missing` has its reason for each.
    """

    present: frozenset[str] = frozenset()
    missing: dict[str, str] = field(default_factory=dict)
    request: StorageRequest | None = None


class Sender(ABC):
    """Sends documents to one destination, one at a time."""

    def __init__(self, destination: Destination) -> None:
        self.destination = destination

    @abstractmethod
    def send(self, delivery: Delivery) -> Outcome:
        """Send the document of a delivery; never raises because of the destination's behaviour."""

    @abstractmethod
    def test(self) -> Outcome:
        """Test whether the destination answers, without sending patient data."""

    def confirm(self, deliveries: Sequence[Delivery]) -> Confirmation | Outcome:
        """Ask which documents the destination keeps. Only for protocols that can tell."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connection, if any."""
        return
