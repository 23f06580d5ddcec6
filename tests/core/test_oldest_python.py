"""The packages keep to Python 3.10 and to the rclpy of ROS 2 Humble: no newer syntax, and no newer name."""

from __future__ import annotations

import ast
import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from egm_core.engines.http.patience import Patience

ROOT = Path(__file__).parents[2]
OLDEST = (3, 10)
FILES = sorted(path for folder in ("egm_core", "egm_ros", "launch") for path in (ROOT / folder).rglob("*.py"))
# What later versions of Python brought, by module; of `int` a default that 3.10 lacks.
NEWER = {
    "asyncio": {"Barrier", "Runner", "TaskGroup", "timeout", "timeout_at", "QueueShutDown"},
    "builtins": {"BaseExceptionGroup", "ExceptionGroup", "PythonFinalizationError"},
    "contextlib": {"chdir"},
    "copy": {"replace"},
    "datetime": {"UTC"},
    "enum": {"EnumCheck", "FlagBoundary", "ReprEnum", "StrEnum", "global_enum", "member", "nonmember", "verify"},
    "hashlib": {"file_digest"},
    "inspect": {"getmembers_static", "getasyncgenstate", "markcoroutinefunction"},
    "itertools": {"batched"},
    "logging": {"getHandlerByName", "getHandlerNames", "getLevelNamesMapping"},
    "math": {"cbrt", "exp2", "fma", "sumprod"},
    "operator": {"call"},
    "os.path": {"isdevdrive", "isjunction", "isreserved", "splitroot"},
    "random": {"binomialvariate"},
    "statistics": {"kde", "kde_random"},
    "sys": {"activate_stack_trampoline", "exception", "monitoring", "setrecursionlimit_per_thread"},
    "tomllib": {"load", "loads"},
    "typing": {
        "LiteralString", "Never", "NotRequired", "ReadOnly", "Required", "Self", "TypeAliasType", "TypeIs",
        "TypeVarTuple", "Unpack", "assert_never", "assert_type", "clear_overloads", "dataclass_transform",
        "get_overloads", "get_protocol_members", "is_protocol", "override", "reveal_type",
    },
    "types": {"CapsuleType", "get_original_bases"},
    "warnings": {"deprecated"},
}  # fmt: skip
MODULES = {"tomllib", "wsgiref.types", "pathlib.types", "annotationlib", "string.templatelib", "compression"}
# What rclpy 7 (Jazzy) has and rclpy 3 (Humble, at b488272) lacks, of what a node may want.
NEWER_RCLPY = {
    "add_post_set_parameters_callback", "add_pre_set_parameters_callback", "remove_post_set_parameters_callback",
    "remove_pre_set_parameters_callback", "count_clients", "count_services", "configure_introspection",
    "wait_for_node", "get_fully_qualified_node_names", "remove_done_callback", "call_coroutine", "get_publisher_count",
    "qos_profile_best_available", "BEST_AVAILABLE", "AsyncParameterClient", "ParameterEventHandler", "EventsExecutor",
    "ServiceIntrospectionState", "EventHandler", "parameter_dict_from_yaml_file", "destroy_when_not_in_use",
}  # fmt: skip
NEWER_RCLPY_MODULES = {
    "rclpy.clock_type", "rclpy.destroyable", "rclpy.event_handler", "rclpy.experimental", "rclpy.logging_service",
    "rclpy.parameter_client", "rclpy.parameter_event_handler", "rclpy.service_introspection",
    "rclpy.type_description_service", "rclpy.type_hash",
}  # fmt: skip
NEWER_RCLPY_ARGUMENTS = {"enable_logger_service", "autostart"}


def newer(text: str) -> Iterator[str]:
    """Name what a file of this text needs that the oldest Python and rclpy lack."""
    tree = ast.parse(text, feature_version=OLDEST)
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    guarded = set(re.findall(r'hasattr\(\w+, "(\w+)', text))
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in MODULES | NEWER_RCLPY_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module in MODULES | NEWER_RCLPY_MODULES:
                yield node.module
            found = NEWER.get(node.module, NEWER_RCLPY if node.module.startswith("rclpy") else set())
            yield from (f"{node.module}.{name.name}" for name in node.names if name.name in found)
        elif isinstance(node, ast.Attribute):
            place = ast.unparse(node.value)
            if node.attr in NEWER.get(place, ()):
                yield f"{place}.{node.attr}"
            if node.attr in NEWER_RCLPY - guarded:
                yield node.attr
        elif isinstance(node, ast.Name) and node.id in NEWER["builtins"]:
            yield node.id
        elif isinstance(node, ast.Call):
            if ast.unparse(node.func) == "int.from_bytes" and len(node.args) + len(node.keywords) < 2:
                yield "int.from_bytes without byteorder"
            if isinstance(node.func, ast.Attribute) and node.func.attr == "__init__":
                yield from (word.arg for word in node.keywords if word.arg in NEWER_RCLPY_ARGUMENTS)


def test_no_file_needs_a_newer_python_or_a_newer_rclpy() -> None:
    strange = {str(path.relative_to(ROOT)): said for path in FILES if (said := [*newer(path.read_text())])}
    assert not strange


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio\nasync def f():\n    async with asyncio.timeout(1):\n        pass",
        "from typing import Any, Self",
        "import tomllib",
        "from hashlib import file_digest",
        "def f():\n    raise ExceptionGroup('', [])",
        "int.from_bytes(b'')",
        "node.add_post_set_parameters_callback(print)",
        "from rclpy.experimental import EventsExecutor",
        "from rclpy.event_handler import PublisherEventCallbacks",
    ],
)
def test_what_is_newer_is_found(text: str) -> None:
    assert [*newer(text)]


@pytest.mark.parametrize(
    "text", ["try:\n    pass\nexcept* ValueError:\n    pass", "type X = int", "def f[T](x: T): ..."]
)
def test_newer_syntax_is_found(text: str) -> None:
    with pytest.raises(SyntaxError):
        [*newer(text)]


def test_what_is_looked_for_first_may_be_newer() -> None:
    assert not [
        *newer('if hasattr(node, "add_pre_set_parameters_callback"):\n    node.add_pre_set_parameters_callback(f)')
    ]
    assert not [*newer("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from typing import Self")]


def test_patience_ends_what_takes_too_long() -> None:
    async def wait() -> None:
        async with Patience(0.02):
            await asyncio.sleep(30.0)

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(wait())
    assert time.monotonic() - began < 10.0


def test_patience_leaves_what_is_quick_alone_and_its_end_can_be_moved() -> None:
    async def moved() -> str:
        async with Patience(None) as patience:
            await asyncio.sleep(0.01)
            patience.end_in(30.0)
            await asyncio.sleep(0.01)
            patience.end_in(0.02)
            try:
                await asyncio.sleep(30.0)
            finally:
                ended.append("inside")
        return "never"

    async def quick() -> str:
        async with Patience(30.0):
            await asyncio.sleep(0.0)
        await asyncio.sleep(0.05)
        return "done"

    ended: list[str] = []
    assert asyncio.run(quick()) == "done"
    with pytest.raises(TimeoutError):
        asyncio.run(moved())
    assert ended == ["inside"]


def test_whoever_else_cancels_a_task_is_not_taken_for_the_end_of_patience() -> None:
    async def outside() -> None:
        async def wait() -> None:
            async with Patience(30.0):
                await asyncio.sleep(30.0)

        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(outside())
