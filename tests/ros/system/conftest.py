"""Launches over the stand-in everywhere, and under the real `ros2 launch` from a colcon workspace."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import launches
import pytest
from launched import Start
from launches import Launch, wait_until


@pytest.fixture(scope="module", params=["stand-in", "ros2"])
def workspace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """A workspace built by colcon, for the real launch; none for the stand-in."""
    if request.param == "stand-in":
        return None
    missing = launches.lacking()
    if missing:
        pytest.skip(f"not installed here: {missing}; they come with a ROS installation")
    return launches.build(tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """A word in the environment of every process that the test starts."""
    value = uuid.uuid4().hex
    monkeypatch.setenv("EGM_TEST", value)
    return f"EGM_TEST={value}"


@pytest.fixture
def start(domain: int, mark: str, workspace: Path | None, tmp_path: Path) -> Iterator[Start]:
    """Start launches; they, and what they leave behind, end with the test."""
    started: list[Launch] = []

    def launch(file: str, *words: str) -> Launch:
        started.append(Launch(workspace, tmp_path / f"launch_{len(started)}.txt", f"{file}.launch.py", *words))
        return started[-1]

    yield launch
    for each in started:
        each.close()
    assert wait_until(lambda: not launches.processes_with(mark), 15), launches.processes_with(mark)
