"""What comes of an attempt to send, and what every sender can."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from webportal.delivery.models import Delivery, Destination


class Result(Enum):
    """How an attempt ended."""

    DELIVERED = auto()
    #: Definitely not taken, and would not be the next time.
    REJECTED = auto()
    #: Not taken for now, or nobody knows; sending it again does no harm.
    AGAIN = auto()
    #: Nothing was sent: the destination as a whole is away.
    AWAY = auto()


@dataclass(frozen=True)
class Outcome:
    """The result of an attempt, why, and what the destination answered in its own code."""

    result: Result
    code: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    answer: str = ""


def delivered(answer: str = "") -> Outcome:
    """It is there."""
    return Outcome(Result.DELIVERED, answer=answer)


def busy(answer: str) -> Outcome:
    """It was not taken for now."""
    return Outcome(Result.AGAIN, "busy", {"answer": answer}, answer)


def rejected(answer: str) -> Outcome:
    """It was not taken for good."""
    return Outcome(Result.REJECTED, "rejected_by_destination", {"answer": answer}, answer)


NO_ANSWER = Outcome(Result.AGAIN, "no_answer")
NOT_REACHED = Outcome(Result.AWAY, "not_reached")


class Sender(ABC):
    """Sends to one destination, one document after the other."""

    def __init__(self, destination: Destination) -> None:
        self.destination = destination

    @abstractmethod
    def send(self, delivery: Delivery) -> Outcome:
        """Send the document of a delivery; never raises for what a destination does."""

    @abstractmethod
    def test(self) -> Outcome:
        """Find out whether the destination answers, without sending anything of a patient."""

    def close(self) -> None:
        """End the connection, if there is one."""
        return
