"""A parameter's value with its type."""

from __future__ import annotations

from typing import Any


class ParameterValue:
    """A value that is not to be read as YAML."""

    def __init__(self, value: Any, *, value_type: type) -> None:
        self.value = value_type(value)
