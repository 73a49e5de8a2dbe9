"""A FHIR server for tests: keeps resources by id with their versions, and fails as it is told."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jsonschema import Draft6Validator

Json = dict[str, Any]
SCHEMA = json.loads((Path(__file__).parent / "fhir-r4.schema.json").read_text())


@dataclass(frozen=True)
class Answer:
    """How the server deals with one transaction."""

    status: int = 200
    issue: Json | None = None
    stores: bool = False
    #: Whether the connection ends without a response.
    drops: bool = False
    delay: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    body: Json | None = None


STORED = Answer(stores=True)


class FhirServer:
    """Answers transactions as `answers` say in turn, and stores the others."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.versions: dict[str, list[Json]] = {}
        self.posted: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.statement: Json = {
            "resourceType": "CapabilityStatement",
            "fhirVersion": "4.0.1",
            "rest": [{"mode": "server", "interaction": [{"code": "transaction"}]}],
        }
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bundle = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer._post(self, bundle)

            def do_GET(self) -> None:
                if self.path == "/fhir/metadata":
                    outer.say(self, 200, outer.statement)
                    return
                found = outer.versions.get(self.path.removeprefix("/fhir/"))
                outer.say(self, 200 if found else 404, found[-1] if found else {})

            def log_message(self, *_args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/fhir"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def of(self, kind: str) -> list[Json]:
        """The present versions of the resources of a type."""
        return [versions[-1] for place, versions in self.versions.items() if kind in place]

    def _post(self, handler: BaseHTTPRequestHandler, bundle: Json) -> None:
        self.posted.append(bundle)
        self.headers.append(dict(handler.headers))
        assert handler.path == "/fhir"
        answer = self.answers.pop(0) if self.answers else STORED
        time.sleep(answer.delay)
        entries = []
        for entry in bundle["entry"] if answer.stores else []:
            # As servers do, it adds metadata.
            known = self.versions.setdefault(entry["request"]["url"], [])
            meta = {"versionId": str(len(known) + 1)}
            known.append(entry["resource"] | {"meta": meta})
            entries.append({"response": {"status": "200 OK" if len(known) > 1 else "201 Created"}})
        if answer.drops:
            handler.connection.close()
            return
        body: Json = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
        if answer.issue is not None:
            body = {"resourceType": "OperationOutcome", "issue": [answer.issue]}
        elif answer.body is not None or not answer.stores:
            body = answer.body or {}
        self.say(handler, answer.status, body, answer.headers)

    @staticmethod
    def say(
        handler: BaseHTTPRequestHandler,
        status: int,
        body: Json,
        headers: dict[str, str] | None = None,
    ) -> None:
        data = json.dumps(body).encode()
        try:
            handler.send_response(status)
            for name, value in (headers or {}).items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:
            return  # the client has given up


def faults(bundle: Json) -> list[str]:
    """What is wrong with the entries of a bundle by the JSON Schema of FHIR R4."""
    whole = Draft6Validator({**SCHEMA, "$ref": "#/definitions/Bundle"})
    found = [str(each.message)[:300] for each in whole.iter_errors({**bundle, "entry": []})]
    for entry in bundle["entry"]:
        kind = entry["resource"]["resourceType"]
        one = Draft6Validator({**SCHEMA, "$ref": f"#/definitions/{kind}"})
        found += [
            f"{kind}.{'.'.join(map(str, each.absolute_path))}: {each.message[:200]}"
            for each in one.iter_errors(entry["resource"])
        ]
    return found
