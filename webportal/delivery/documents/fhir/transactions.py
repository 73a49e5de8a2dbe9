"""Transactions: bundles whose resources a server stores all or not at all."""

import json
from collections.abc import Iterable
from typing import Any

from webportal.delivery.documents.fhir.elements import Json

#: The resources sent, in the order of a transaction, with what they are.
RESOURCES = {
    "Device": "a model version",
    "ImagingStudy": "the study, with its series and instances",
    "Observation": "a finding of the model or of the reader",
    "DiagnosticReport": "the report of the study",
}


def transaction(resources: Iterable[Json]) -> bytes:
    """A transaction that creates or updates resources by id.

    A study's documents differ in their last resource: `is_stored` uses it to determine whether a
    server has a document.
    """
    entries = [
        {
            "fullUrl": f"urn:uuid:{resource['id']}",
            "resource": resource,
            "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
        }
        for resource in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()


def place_of_last(content: bytes) -> str:
    """Where the last resource of a transaction is stored, below the server's URL."""
    return str(_last(content)["request"]["url"])


def is_stored(content: bytes, found: Json) -> bool:
    """Whether the resource found at that place is the last one of this transaction.

    Metadata and the narrative do not count: servers change them.
    """
    return _compared(found) == _compared(_last(content)["resource"])


def observations_in(content: bytes) -> list[str]:
    """The ids of the observations of a transaction."""
    resources = [entry["resource"] for entry in json.loads(content).get("entry", [])]
    return [each["id"] for each in resources if each["resourceType"] == "Observation"]


def _last(content: bytes) -> dict[str, Any]:
    last: dict[str, Any] = json.loads(content)["entry"][-1]
    return last


def _compared(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if name not in ("meta", "text")}
