"""Looking at a machine: real servers, ports, folders and environments, and libraries as the code imports them."""

from __future__ import annotations

import ast
import json
import re
import runpy
import socket
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import setuptools

from egm_core.doctor import libraries, models, network
from egm_core.doctor.facts import Ros
from egm_core.doctor.machine import look
from egm_core.doctor.ros import look as look_at_ros

ROOT = Path(__file__).resolve().parents[3]
# What the libraries of an extra bring along, and what runs elsewhere or only where it is asked for.
BROUGHT = {"pydantic", "starlette", "tokenizers", "huggingface_hub", "google", "crc32c"}
ELSEWHERE = {"verl", "ray", "rosbags", "cv_bridge", "simplejpeg", "vllm"}


def imported(*folders: str) -> set[str]:
    found = set()
    for file in (file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    ours = {name for name in found if name.startswith("egm_")}
    return found - ours - set(sys.stdlib_module_names) - BROUGHT - ELSEWHERE


@pytest.mark.parametrize(
    ("folders", "needed"),
    [
        # A picture may lie in a table, a video or a record: what those take is the job `data`'s.
        (
            ("engines", "families", "models", "grounder", "pictures", "serve"),
            (*libraries.ENGINE, "pyarrow", *libraries.EXTRAS["data"]),
        ),
        (("data", "sample", "pictures"), libraries.DATA),
        (("asking",), libraries.TRAIN),
        (("supervise", "propagation", "lifting", "streams"), libraries.NODE),
        (("scenes",), libraries.SCENES),
        (("evaluate",), libraries.EVALUATE),
        (("train", "tiny"), libraries.TRAIN),
    ],
)
def test_the_libraries_of_a_job_are_those_that_its_rooms_import(
    folders: tuple[str, ...], needed: tuple[str, ...]
) -> None:
    assert imported(*(f"egm_core/{folder}" for folder in folders)) <= set(needed)


def test_the_nodes_import_what_is_looked_for() -> None:
    assert imported("egm_ros", "launch") == {*libraries.ROS, *libraries.LAUNCH, "numpy", "cv2", "httpx", "yaml"}


def requirements(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What the package asks for, by extra, wherever it says so."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text()).get("project", {})
    if "optional-dependencies" in project:
        return {"": project["dependencies"], **project["optional-dependencies"]}
    told: dict[str, Any] = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setuptools, "setup", lambda **words: told.update(words))
    runpy.run_path(str(ROOT / "setup.py"))
    return {"": told["install_requires"], **told["extras_require"]}


def test_an_extra_brings_the_libraries_that_it_is_named_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = requirements(monkeypatch)
    for extra, modules in libraries.EXTRAS.items():
        brought = {re.split(r"[^\w-]", requirement)[0].lower() for requirement in asked[extra]}
        assert {libraries.DISTRIBUTIONS.get(module, module).lower() for module in modules} <= brought, extra


@contextmanager
def server(answers: dict[str, tuple[int, str]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path, (404, ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_address[1]}"
    finally:
        running.shutdown()
        running.server_close()


MODELS = json.dumps({"data": [{"id": "EGM-8B"}]})


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"/health": (200, ""), "/v1/models": (200, MODELS)}, (("EGM-8B",), True)),
        ({"/v1/models": (200, MODELS)}, (("EGM-8B",), True)),
        ({"/health": (503, ""), "/v1/models": (200, MODELS)}, (("EGM-8B",), False)),
        ({"/health": (503, "")}, ((), False)),
        ({"/": (200, "<html>")}, None),
        ({"/v1/models": (200, "[1]")}, None),
    ],
)
def test_a_server_is_known_by_its_answers(
    answers: dict[str, tuple[int, str]], expected: tuple[tuple[str, ...], bool] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with server(answers) as address:
        found = network.servers([address, f"{address}/"])
    assert [(s.models, s.ready) for s in found] == ([expected] if expected else [])


def test_nobody_there_is_no_server_and_no_wait() -> None:
    assert network.servers(["http://127.0.0.1:9"]) == ()


def test_a_port_that_is_listened_on_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert network.taken([port]) == (port,)
    assert network.taken([port]) == ()


def test_models_are_found_beside_and_in_the_hubs_cache(tmp_path: Path) -> None:
    sees, blind = {"vision_config": {}}, {"hidden_size": 1}
    folders = {
        "models/mine": sees,
        "models/text": blind,
        "hub/models--nvidia--EGM-8B/snapshots/abc": sees,
        "hub/models--gpt2/snapshots/abc": blind,
    }
    for name, config in folders.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    (tmp_path / "models/broken").mkdir()
    (tmp_path / "models/broken/config.json").write_text("{")
    found = models.folders({"HF_HOME": str(tmp_path)}, tmp_path)
    assert found == (str(tmp_path / "models/mine"), "nvidia/EGM-8B")
    assert models.folders({"HF_HUB_CACHE": str(tmp_path / "hub")}, tmp_path / "none") == ("nvidia/EGM-8B",)
    assert models.embedded()


def test_the_environment_tells_of_ros(tmp_path: Path) -> None:
    profile = tmp_path / "profile.xml"
    profile.write_text("<dds/>")
    assert look_at_ros({}, False) == Ros()
    sourced = {"ROS_DISTRO": "jazzy", "ROS_DOMAIN_ID": "7", "ROS_LOCALHOST_ONLY": "1"}
    assert look_at_ros(sourced, True) == Ros("jazzy", "rmw_fastrtps_cpp (default)", "", False, "7", "localhost")
    fast = {**sourced, "FASTRTPS_DEFAULT_PROFILES_FILE": str(profile)}
    assert look_at_ros(fast, True).profile == str(profile) and not look_at_ros(fast, True).profile_missing
    assert look_at_ros({**fast, "FASTRTPS_DEFAULT_PROFILES_FILE": "/gone.xml"}, True).profile_missing
    cyclone = {
        "ROS_DISTRO": "kilted",
        "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp",
        "CYCLONEDDS_URI": f"file://{profile}",
    }
    assert (look_at_ros(cyclone, True).profile, look_at_ros(cyclone, True).profile_missing) == (str(profile), False)
    inline = {**cyclone, "CYCLONEDDS_URI": "<CycloneDDS></CycloneDDS>"}
    assert look_at_ros(inline, True).profile == "set in the variable" and not look_at_ros(inline, True).profile_missing
    assert look_at_ros({}, True).distribution == "from wheels"


def test_this_machine_is_seen_as_it_is() -> None:
    facts = look({})
    assert facts.python_version == sys.version_info[:2] and facts.executable == sys.executable
    assert facts.lacking("numpy", "cv2") == [] and facts.modules["numpy"]
    assert facts.checkout == str(ROOT) and facts.embedded
    assert facts.memory >= facts.memory_free > 0 and facts.disk_free > 0 and facts.cores >= 1
