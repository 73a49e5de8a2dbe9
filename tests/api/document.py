"""The OpenAPI document as tests hold answers against it."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

_FILE = Path(__file__).parents[2] / "docs" / "openapi.yaml"
# Every process of the tests reads it; in C that takes a quarter of the time.
DOCUMENT = yaml.load(_FILE.read_text(), Loader=yaml.CSafeLoader)


def documented() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each operation by its id."""
    return {
        operation["operationId"]: (method, path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(
        {**schema, "components": strict_components()},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


@cache
def strict_components() -> dict[str, Any]:
    """The document's schemas, where an answer must have each of the named keys and no other."""
    components: dict[str, Any] = DOCUMENT["components"]
    for name, schema in components["schemas"].items():
        if "properties" in schema and name != "Problem":
            schema["additionalProperties"] = False
            schema["required"] = list(schema["properties"])
    return components
