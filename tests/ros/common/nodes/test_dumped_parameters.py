"""What `ros2 param dump` writes of every node, asked by the same services, starts it again with the same values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters
from rclpy.parameter import Parameter, parameter_value_to_python

pytestmark = [pytest.mark.ros, pytest.mark.clock]

NODES = ("grounding", "overlay", "propagation", "lifting", "camera")
CHANGED = {
    "grounding": ("max_rate:=3.0", "cameras:=[front,left]", "instructions:=['the mug','the box']", "model:=x"),
    "overlay": ("scale:=2", "max_age:=3.0"),
    "propagation": ("coast:=0.0",),
    "lifting": ("slop:=0.25",),
    "camera": ("rate:=1.0",),
}


def call(bench: Any, node: str, kind: Any, name: str, request: Any) -> Any:
    client = bench.node.create_client(kind, f"/{node}/{name}")
    bench.until(client.service_is_ready, 60.0)
    asked = client.call_async(request)
    bench.until(asked.done)
    return asked.result()


def values(bench: Any, node: str) -> dict[str, Any]:
    """Give every parameter, as the verb asks for them."""
    names = sorted(call(bench, node, ListParameters, "list_parameters", ListParameters.Request()).result.names)
    told = call(bench, node, GetParameters, "get_parameters", GetParameters.Request(names=names)).values
    return {name: plain(parameter_value_to_python(value)) for name, value in zip(names, told, strict=True)}


def plain(value: Any) -> Any:
    return list(value) if hasattr(value, "tolist") or isinstance(value, (tuple, list)) else value


def dumped(node: str, told: dict[str, Any], file: Path) -> Path:
    """Write them as `ros2 param dump` does: names with dots are nested."""
    tree: dict[str, Any] = {}
    for name, value in told.items():
        *outer, last = name.split(".")
        place = tree
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = value
    file.write_text(yaml.dump({f"/{node}": {"ros__parameters": tree}}, default_flow_style=False))
    return file


@pytest.mark.parametrize("node", NODES)
def test_a_dump_starts_the_node_again_with_the_same_values(bench: Any, tmp_path: Path, node: str) -> None:
    given = [word for each in CHANGED[node] for word in ("-p", each)]
    waits = () if node == "camera" else ("-p", "autostart:=false")
    first = bench.start(f"egm_ros.{node}", "--ros-args", *given, *waits)
    before = values(bench, node)
    file = dumped(node, before, tmp_path / "dump.yaml")
    # As `ros2 param load` does: everything at once, read-only parameters refused by name, the others taken.
    changes = [Parameter(name, value=value).to_parameter_msg() for name, value in before.items()]
    results = call(bench, node, SetParameters, "set_parameters", SetParameters.Request(parameters=changes)).results
    for change, result in zip(changes, results, strict=True):
        assert result.successful or "read-only" in result.reason, f"{change.name}: {result.reason}"
    first.terminate()
    first.wait(20)
    bench.until(lambda: f"/{node}" not in [name for name, _ in bench.node.get_service_names_and_types()])
    bench.until(lambda: not bench.node.get_node_names().count(node), 30.0)
    bench.start(f"egm_ros.{node}", "--ros-args", "--params-file", str(file))
    assert values(bench, node) == before
    assert "does nothing here" not in bench.output()
