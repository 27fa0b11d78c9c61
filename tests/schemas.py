"""The JSON Schemas that the package ships, to check what it writes by."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

FOLDER = files("rollouts.contracts") / "schemas"
SCHEMAS: dict[str, dict[str, Any]] = {
    entry.name.removesuffix(".json"): json.loads(entry.read_text()) for entry in FOLDER.iterdir()
}
_REGISTRY: Registry[Any] = Registry().with_resources(
    (schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()
)


def problems(name: str, document: object) -> list[str]:
    """What a schema finds wrong with a document."""
    validator = Draft202012Validator(SCHEMAS[name], registry=_REGISTRY)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
