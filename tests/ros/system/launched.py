"""What tests of launches start and look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from launches import Launch

Start = Callable[..., Launch]
NOWHERE = "engine_url:=http://127.0.0.1:9"


def names(bench: Any) -> set[str]:
    """Name the nodes on the test's domain."""
    found = bench.node.get_node_names_and_namespaces()
    return {f"{namespace.rstrip('/')}/{name}" for name, namespace in found}
