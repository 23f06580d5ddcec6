"""Who plays in the demonstration and in recordings: the engine and the nodes that follow a camera, as processes."""

from __future__ import annotations

import socket
from collections.abc import Callable

import httpx

from egm_ros.demo.processes import Processes

# Two targets are asked for at a time, in one picture.
NODE = {"max_rate": 0.0, "query_timeout": 20.0, "max_result_age": 20.0, "max_batch": 2}


def start(processes: Processes, model: str, lifting: bool = False, show: str = "all") -> str:
    """Start engine, grounding, overlay and propagation (and lifting, where there is depth); gives the engine's URL.

    `show` is the overlay's.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    place = ("--host", "127.0.0.1", "--port", str(port), "--exit-with-parent")
    processes.start("engine", "egm_core.serve", "--model", model, *place)
    parameters = {"engine_url": url, "model": model, **NODE}
    node = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    processes.start("grounding", "egm_ros.grounding", "--ros-args", *node)
    drawing = ("-p", "scale:=3", "-p", "propagated:=true", "-p", f"show:={show}")
    processes.start("overlay", "egm_ros.overlay", "--ros-args", *drawing)
    processes.start("propagation", "egm_ros.propagation", "--ros-args", "-p", "max_propagation:=5.0")
    if lifting:
        processes.start("lifting", "egm_ros.lifting", "--ros-args")
    return url


def ready(url: str, heard: Callable[[], bool]) -> bool:
    """Tell whether the engine answers, and somebody listens."""
    try:
        return httpx.get(f"{url}/health", timeout=1.0).status_code == 200 and heard()
    except httpx.TransportError:
        return False
