"""Schemas as all servers take them: OpenAI's strict ones refuse words that others have."""

from __future__ import annotations

from typing import Any

# What strict schemas do not know, and what the check of the answer here holds anyway.
LEFT_OUT = ("title", "default", "minLength", "maxLength")


def portable(schema: Any) -> Any:
    """Leave out of a schema what strict servers refuse; the answer is checked whole in any case."""
    if isinstance(schema, list):
        return [portable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: portable(value) for name, value in schema.items() if name not in LEFT_OUT or name == "properties"}
    if isinstance(schema.get("properties"), dict):
        # Names of fields are no words of the schema's language.
        told["properties"] = {name: portable(value) for name, value in schema["properties"].items()}
    return told
