"""`--help` of every node prints help and starts nothing; what no node understands is refused by name."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from egm_ros.interface import camera as camera_interface
from egm_ros.interface import lifting as lifting_interface
from egm_ros.interface import overlay as overlay_interface
from egm_ros.interface import propagation as propagation_interface
from egm_ros.interface.parameter import ParameterSpec
from egm_ros.interface.settings import GROUNDING

pytestmark = pytest.mark.ros

NODES: dict[str, tuple[ParameterSpec, ...]] = {
    "grounding": GROUNDING,
    "camera": camera_interface.CAMERA_PARAMETERS,
    "overlay": overlay_interface.OVERLAY_PARAMETERS,
    "propagation": propagation_interface.PROPAGATION_PARAMETERS,
    "lifting": lifting_interface.LIFTING_PARAMETERS,
}


def call(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"egm_ros.{name}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("name", NODES)
def test_help_lists_every_parameter_with_its_default_and_ends(domain: int, name: str, flag: str) -> None:
    done = call(name, flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"python -m egm_ros.{name}" in done.stdout
    for spec in NODES[name]:
        assert f"\n  {spec.name}:=" in done.stdout
        assert spec.constraint in done.stdout
    assert "default_instruction:=''" in done.stdout or name != "grounding"


@pytest.mark.parametrize("name", NODES)
def test_help_among_ros_arguments_is_found_too(domain: int, name: str) -> None:
    done = call(name, "--ros-args", "-r", "a:=b", "--", "--help")
    assert (done.returncode, done.stdout[:1].isupper()) == (0, True)


@pytest.mark.parametrize("words", [("--model", "egm_tiny"), ("image",), ("-p", "show:=live")])
@pytest.mark.parametrize("name", NODES)
def test_an_argument_that_would_be_ignored_is_refused_by_name(domain: int, name: str, words: Any) -> None:
    done = call(name, *words)
    assert done.returncode == 2
    assert repr(words[0]) in done.stderr
    assert "--ros-args -p" in done.stderr
    assert "Traceback" not in done.stderr
