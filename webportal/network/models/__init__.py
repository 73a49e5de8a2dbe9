"""Nodes of the DICOM network, the inbox, and what nodes request and are asked for."""

from webportal.network.models.commitment import Commitment, CommitmentState
from webportal.network.models.inbox import InboxState, ReceivedInstance
from webportal.network.models.nodes import LONGEST_AE_TITLE, Node, RejectedCaller
from webportal.network.models.priors import (
    PriorProtocol,
    PriorRequest,
    PriorRequestState,
    PriorSource,
    PriorState,
    PriorStudy,
)
from webportal.network.models.storage_requests import StorageRequest, StorageRequestState

__all__ = [
    "LONGEST_AE_TITLE",
    "Commitment",
    "CommitmentState",
    "InboxState",
    "Node",
    "PriorProtocol",
    "PriorRequest",
    "PriorRequestState",
    "PriorSource",
    "PriorState",
    "PriorStudy",
    "ReceivedInstance",
    "RejectedCaller",
    "StorageRequest",
    "StorageRequestState",
]
