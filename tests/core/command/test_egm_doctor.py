"""`egm doctor` as a user calls it: in this environment, and in Pythons that lack something or everything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, egm, without
from named_engines import environment_with


def test_here_the_basic_job_works_and_every_job_is_judged() -> None:
    done = egm("doctor")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "\n  OK     ground a picture here (egm ground)\n" in done.stdout
    for words in ("Python", "ROS 2", "GPU", "memory", "shared memory", "disk", "engines", "servers", "ports", "models"):
        assert f"\n  {words}" in done.stdout
    for job in ("try the demo", "run the node", "serve a model", "connect to a server", "make scenes", "train", "eval"):
        assert job in done.stdout


def test_engines_are_found_beside_an_interpreter_and_what_they_lack_is_told(tmp_path: Path) -> None:
    python = environment_with(tmp_path, "vllm", "vllm-0.19.0")
    told = json.loads(egm("doctor", "--json", "--engine-python", str(python)).stdout)["machine"]["engines"]
    engines = {engine["name"]: engine for engine in told}
    assert set(engines) == {"egm", "vllm", "sglang", "trtllm", "edgellm", "llamacpp", "ollama"}
    vllm = engines["vllm"]
    assert (vllm["program"], vllm["version"]) == (str(tmp_path / "bin/vllm"), "0.19.0")
    assert "too old" in vllm["lacks"][0]
    assert f"no program 'sglang' beside engine_python {python}, nor on the PATH; " in engines["sglang"]["lacks"][0]
    shown = egm("doctor", "--engine-python", str(python)).stdout
    assert f"  lacks  vllm 0.19.0 {tmp_path}/bin/vllm\n" in shown and "  OK     egm this Python\n" in shown


def test_an_interpreter_that_is_not_there_is_named() -> None:
    shown = egm("doctor", "--engine-python", "/nowhere/python").stdout
    told = "no program 'vllm' beside engine_python /nowhere/python (nothing to run there), nor on the PATH"
    assert told in " ".join(shown.split())


def test_json_holds_the_machine_and_the_jobs() -> None:
    done = egm("doctor", "--json", ROS_DISTRO="jazzy", ROS_DOMAIN_ID="300")
    told = json.loads(done.stdout)
    assert (told["asked"], told["works"], done.returncode) == ("ground", True, 0)
    jobs = {job["name"]: job for job in told["jobs"]}
    assert told["machine"]["ros"]["domain"] == "300" and not jobs["node"]["works"]
    assert any("ROS_DOMAIN_ID" in lack["what"] and lack["remedy"] for lack in jobs["node"]["lacks"])


@pytest.mark.parametrize("site", [("-S",), ("-I", "-S")])
def test_a_bare_python_is_told_what_to_install(site: tuple[str, ...], tmp_path: Path) -> None:
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['egm', 'doctor']"
    program = f"{start}; from egm_core.command.entry import run; run()"
    done = subprocess.run(
        [sys.executable, *site, "-c", program], cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, ""), done.stderr
    assert "OK" not in done.stdout
    assert f"{sys.executable} -m pip install '{ROOT}[engine]'" in done.stdout


def test_a_python_that_is_too_old_is_told_so(tmp_path: Path) -> None:
    old = [shutil.which(f"python3.{minor}") for minor in (9, 10)]
    pythons = [python for python in old if python and subprocess.run([python, "-c", ""], check=False).returncode == 0]
    if not pythons:
        pytest.skip("there is no older Python on this machine")
    for python in pythons:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [python, "-m", "egm_core", "doctor"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (1, "")
        assert "- Python 3.11 (this is 3." in done.stdout and "> apt install python3.11" in done.stdout


@pytest.mark.parametrize(
    ("missing", "broken", "whole"),
    [
        (("torch",), {"ground", "demo", "serve", "train", "evaluate"}, {"scenes"}),
        (("rclpy",), {"demo", "node"}, {"ground", "serve"}),
        (("trl", "peft"), {"train"}, {"ground", "evaluate"}),
    ],
)
def test_what_a_python_lacks_stops_the_jobs_that_need_it(
    tmp_path: Path, missing: tuple[str, ...], broken: set[str], whole: set[str]
) -> None:
    told = json.loads(egm("doctor", "--json", **without(tmp_path, *missing)).stdout)
    works = {job["name"]: job["works"] for job in told["jobs"]}
    assert not any(works[job] for job in broken)
    assert all(works[job] for job in whole)
    lacks = [lack["what"] for job in told["jobs"] if job["name"] in broken for lack in job["lacks"]]
    assert all(any(name in what for what in lacks) for name in missing)


def test_the_job_asked_about_decides_the_exit_status(tmp_path: Path) -> None:
    lacking = without(tmp_path, "trl")
    assert egm("doctor", "--job", "train", **lacking).returncode == 1
    assert egm("doctor", "--job", "ground", **lacking).returncode == 0
