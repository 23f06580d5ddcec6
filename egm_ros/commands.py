"""The installed programs: each minds signals first, and then imports its node, which takes a second."""

from __future__ import annotations

from importlib import import_module

from egm_ros.common.early import end_quietly


def _run(name: str) -> int:
    end_quietly()
    return int(import_module(f"egm_ros.{name}.node").main())


def grounding() -> int:
    """Run the grounding node."""
    return _run("grounding")


def camera() -> int:
    """Run the camera."""
    return _run("camera")


def overlay() -> int:
    """Run the overlay."""
    return _run("overlay")


def propagation() -> int:
    """Run the propagation node."""
    return _run("propagation")


def lifting() -> int:
    """Run the lifting node."""
    return _run("lifting")
