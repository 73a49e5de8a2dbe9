"""Outcomes of delivery attempts, and the interface of senders."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from webportal.delivery.models import Delivery, Destination
from webportal.network.models import StorageRequest


class SendResult(Enum):
    """The result of an attempt."""

    DELIVERED = auto()
    #: Permanently refused: sending again would not help.
    REJECTED = auto()
    #: Refused, perhaps by a fault of the destination, or not sent because of one of Chestline's:
    #: repeated for a while, then rejected.
    DOUBTFUL = auto()
    #: Temporarily refused, or the outcome is unknown; sending it again is harmless.
    AGAIN = auto()
    #: The destination is unreachable, or accepts nothing at present.
    AWAY = auto()


@dataclass(frozen=True)
class SendOutcome:
    """The result of an attempt, its reason, and the destination's own status code.

    A destination that is away may state after how many seconds to try again.
    """

    result: SendResult
    code: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    answer: str = ""
    wait_seconds: float = 0.0


def delivered(answer: str = "") -> SendOutcome:
    """The destination has the document."""
    return SendOutcome(SendResult.DELIVERED, answer=answer)


def busy(answer: str) -> SendOutcome:
    """The destination refused it temporarily."""
    return SendOutcome(SendResult.AGAIN, "busy", {"answer": answer}, answer)


def rejected(answer: str) -> SendOutcome:
    """The destination refused it permanently."""
    return SendOutcome(SendResult.REJECTED, "rejected_by_destination", {"answer": answer}, answer)


def doubtful(answer: str) -> SendOutcome:
    """The destination refused it, perhaps because of a fault of its own."""
    return SendOutcome(SendResult.DOUBTFUL, "rejected_by_destination", {"answer": answer}, answer)


def of_error(error: Exception) -> SendOutcome:
    """The outcome of an attempt that raised an error before anything was sent."""
    if isinstance(error, UnicodeError):  # in looking up a host name such as a..b
        return SendOutcome(SendResult.AWAY, "host_invalid")
    if isinstance(error, OSError):  # in reading a certificate
        return SendOutcome(SendResult.AWAY, "certificate_unreadable")
    return SendOutcome(SendResult.DOUBTFUL, "internal", {"error": type(error).__name__})


NO_ANSWER = SendOutcome(SendResult.AGAIN, "no_answer")
NOT_REACHED = SendOutcome(SendResult.AWAY, "not_reached")


@dataclass(frozen=True)
class Confirmation:
    """The instances that a destination confirms, or the request that it will report on.

    `missing` has the destination's reason for each instance that it lacks.
    """

    present: frozenset[str] = frozenset()
    missing: dict[str, str] = field(default_factory=dict)
    request: StorageRequest | None = None


class Sender(ABC):
    """Sends documents to one destination, one at a time."""

    def __init__(self, destination: Destination) -> None:
        self.destination = destination

    @abstractmethod
    def send(self, delivery: Delivery) -> SendOutcome:
        """Send the document of a delivery; never raises because of the destination's behaviour."""

    @abstractmethod
    def test(self) -> SendOutcome:
        """Test whether the destination responds, without sending patient data."""

    def confirm(self, deliveries: Sequence[Delivery]) -> Confirmation | SendOutcome:
        """Ask which documents the destination keeps. Only for protocols that can tell."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connection, if any."""
        return
