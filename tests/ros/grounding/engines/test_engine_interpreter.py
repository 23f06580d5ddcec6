"""An engine that cannot be started is refused once, with what is missing and what helps."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from egm_core.supervise.interpreter import MODULES, lacking, missing

ROOT = Path(__file__).resolve().parents[4]
# The node's interpreter as a robot has it: with everything of ROS, and without the engine.
BARE = "import sys\nsys.modules.update(dict.fromkeys({modules!r}))\n"
BARE += "import egm_ros.grounding.node as it\nsys.exit(it.main())"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with nothing installed."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return str(folder / "bin" / "python")


def test_an_interpreter_without_the_engine_is_named_with_the_remedies(bare: str) -> None:
    assert {"torch", "uvicorn"} <= set(lacking(bare))
    said = missing("", bare)
    assert bare in said and "uvicorn" in said
    assert all(remedy in said for remedy in ("engine_url", "engine_python", "[engine]"))


def test_what_is_there_is_found(bare: str) -> None:
    for module in MODULES:
        pytest.importorskip(module, reason="the engine is not installed here")
    assert lacking("") == lacking(sys.executable) == []
    assert missing("", "") == ""
    assert missing(f"{sys.executable} -m http.server {{port}}", bare) == ""


@pytest.mark.parametrize(
    ("command", "python", "said"),
    [
        ("no_such_server --port {port}", "", "engine_command: there is no program 'no_such_server'"),
        ("", "/nowhere/python", "engine_python: '/nowhere/python' cannot be run: No such file"),
        ("", "/bin/false", "engine_python: '/bin/false' cannot be run: exit status 1"),
    ],
)
def test_programs_that_are_not_there_are_named(command: str, python: str, said: str) -> None:
    assert said in missing(command, python)


def test_the_remedy_installs_all_that_is_asked_for() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {re.split(r"\W", requirement)[0] for requirement in extras["engine"]}
    installed = {"PIL" if name == "pillow" else name for name in names}
    assert set(MODULES) <= installed | {"egm_core"}


@pytest.mark.ros
def test_a_node_without_an_engine_says_so_once_and_ends(bench: Any) -> None:
    log = bench.folder / "bare.log"
    modules = [name for name in MODULES if name != "egm_core"]
    with open(log, "wb") as output:
        done = subprocess.run(
            [sys.executable, "-c", BARE.format(modules=modules)], cwd=ROOT, stdout=output, stderr=output, timeout=30
        )
    text = log.read_text()
    assert done.returncode == 1, text
    assert text.count("no engine:") == 1 and "Traceback" not in text
    assert "engine_url" in text and "engine_python" in text and "uvicorn" in text
