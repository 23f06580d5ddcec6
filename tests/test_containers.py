"""The files in containers/ agree with the project: pins, commands, arguments, and what the image is made of."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from egm_core.servers import vllm
from egm_core.servers.named import Order
from egm_ros.interface.settings import GROUNDING

ROOT = Path(__file__).resolve().parents[1]
CONTAINERS = ROOT / "containers"
COMPOSED = sorted(CONTAINERS.glob("compose.*.yaml"))
PLATFORMS = {"x86": "x86", "spark": "Spark", "thor": "Thor"}
GUIDE = ROOT / "docs" / "guides" / "containers.md"
DOCKERFILE = (CONTAINERS / "node.Dockerfile").read_text()
# Variables of others, which mean to them what they mean everywhere.
KNOWN = {"ROS_DOMAIN_ID", "HF_HUB_OFFLINE"}


def tool() -> Any:
    spec = importlib.util.spec_from_file_location("lint_compose", ROOT / "tools" / "lint_compose.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def services(name: str) -> dict[str, Any]:
    """Read a compose file with its variables' defaults."""
    text = tool().filled_in((CONTAINERS / f"compose.{name}.yaml").read_text())
    assert "${" not in text
    return yaml.safe_load(text)["services"]


def copied() -> list[str]:
    """List what the Dockerfile takes from the checkout."""
    found = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    return [path for line in found for path in line.split()]


def test_every_file_says_in_its_head_that_it_was_never_tried():
    assert {path.name for path in COMPOSED} == {f"compose.{name}.yaml" for name in (*PLATFORMS, "node")}
    for path in (*COMPOSED, CONTAINERS / "node.Dockerfile"):
        head = path.read_text().splitlines()[1]
        assert head.startswith(("# NEVER BUILT", "# NEVER RUN")), path.name
    assert "never built" in GUIDE.read_text()


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_engine_is_the_one_that_is_pinned_and_started_as_the_node_starts_it(name: str):
    engine = services(name)["engine"]
    (pin,) = [pin for pin in vllm.ENGINE.pins if pin.platform == PLATFORMS[name]]
    assert f"`{engine['image']}`" in pin.install
    assert not engine["image"].endswith(":latest") and ":" in engine["image"]
    share = float(engine["command"][-1])
    order = Order(engine["command"][1], 8000, memory_share=share)
    assert engine["entrypoint"] + engine["command"] == [vllm.ENGINE.start.program, *vllm.words(order)]
    assert vllm.environment(order).items() <= engine["environment"].items()
    # On a card of its own an engine may take nearly all; shared memory is the robot's as well.
    assert share <= (0.9 if name == "x86" else 0.5)


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_engine_has_a_gpu_is_watched_and_can_be_asked_by_this_machine_alone(name: str):
    engine = services(name)["engine"]
    assert "--host" in engine["command"] and engine["command"][engine["command"].index("--host") + 1] == "127.0.0.1"
    assert engine["network_mode"] == "host" and "ports" not in engine
    assert "http://127.0.0.1:8000/health" in engine["healthcheck"]["test"][-1]
    assert engine["restart"] == "unless-stopped"
    (probe,) = re.findall(r"`(/\w+)` refuses", vllm.ENGINE.can.health)
    assert probe == "/health"
    reserved = engine.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices")
    if name == "thor":
        assert engine["runtime"] == "nvidia" and engine["environment"]["NVIDIA_VISIBLE_DEVICES"] == "all"
        assert any(engine["environment"]["TRITON_PTXAS_PATH"] in remark for remark in vllm.ENGINE.remarks)
    else:
        assert reserved == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]


@pytest.mark.parametrize("name", PLATFORMS)
def test_volumes_are_declared_and_the_node_is_that_of_its_own_file(name: str):
    whole = yaml.safe_load(tool().filled_in((CONTAINERS / f"compose.{name}.yaml").read_text()))
    used = {volume.split(":")[0] for volume in whole["services"]["engine"]["volumes"]}
    assert used == set(whole["volumes"])
    assert whole["services"]["node"] == {"extends": {"file": "compose.node.yaml", "service": "node"}}


def test_the_node_is_given_arguments_that_its_launch_file_knows():
    node = services("node")["node"]
    source = (ROOT / "egm_ros" / "launching" / "grounding.py").read_text()
    known = set(re.findall(r'Argument\(\s*"(\w+)"', source)) | {spec.name for spec in GROUNDING}
    assert node["command"][:4] == ["ros2", "launch", "egm_ros", "grounding.launch.py"]
    given = dict(word.split(":=", 1) for word in node["command"][4:])
    assert set(given) <= known
    assert given["engine_url"] == "http://127.0.0.1:8000"
    (timeout,) = [spec for spec in GROUNDING if spec.name == "engine_start_timeout"]
    assert not timeout.problem(float(given["engine_start_timeout"]))
    (key,) = [spec.default for spec in GROUNDING if spec.name == "engine_api_key_env"]
    assert key in node["environment"]
    assert all(services(name)["engine"]["command"][1] == given["model"] for name in PLATFORMS)


def test_the_node_is_no_root_and_reaches_other_nodes():
    node = services("node")["node"]
    assert node["user"] == "1000:1000" and "USER 1000:1000" in DOCKERFILE
    assert node["network_mode"] == node["ipc"] == "host"
    assert "ROS_DOMAIN_ID" in node["environment"]
    assert (CONTAINERS / node["build"]["context"] / node["build"]["dockerfile"]).is_file()
    assert f"ARG {next(iter(node['build']['args']))}=jazzy" in DOCKERFILE


def test_every_variable_is_in_the_guide_and_has_a_default():
    text = "\n".join(path.read_text() for path in COMPOSED)
    used = re.findall(r"\$\{?(\w+)", text)
    assert len(used) == len(re.findall(r"\$\{\w+:-[^{}]*\}", text))
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", GUIDE.read_text(), re.MULTILINE))
    assert set(used) == listed
    assert {name for name in listed if not name.startswith("EGM_")} == KNOWN


def test_the_image_has_what_the_manifest_asks_for():
    needed = re.findall(r"<exec_depend>(python3-[\w-]+)</exec_depend>", (ROOT / "package.xml").read_text())
    assert needed and all(f" {name} " in DOCKERFILE for name in needed)
    assert "-vision-msgs" in DOCKERFILE


def test_what_is_copied_is_there_and_let_in():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines and sorted(let_in) == sorted(copied())
    assert all((ROOT / path).exists() for path in copied())


def test_what_is_copied_is_enough_to_install_the_package(tmp_path: Path):
    """As colcon does it: with setup.py, in a folder that has nothing else."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for path in copied():
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, source / path, ignore=ignored)
        else:
            shutil.copy2(ROOT / path, source / path)
    install = ["install", "--root", str(target), "--prefix", "/usr", "--single-version-externally-managed"]
    command = [sys.executable, "setup.py", "--quiet", *install, "--record", str(tmp_path / "record")]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    share = target / "usr" / "share" / "egm_ros"
    assert (share / "launch" / "grounding.launch.py").is_file() and (share / "config" / "grounding.yaml").is_file()
    assert list(target.rglob("egm_core/weights/egm_tiny/model.safetensors"))


def test_the_linter_reads_defaults_in_the_place_of_variables():
    assert tool().filled_in("a: ${ONE:-x/y:1}:${TWO:-}z") == "a: x/y:1:z"
