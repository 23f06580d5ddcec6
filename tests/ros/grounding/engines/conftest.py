"""A robot before a node that supervises a scripted engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import COMMAND, folder_of, start_node, until_stopped
from supervised import ACTIVATE, DEACTIVATE, HEALTH_TIMEOUT, LIVE


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model folder with empty weights: the scripted engine needs none."""
    return folder_of(tmp_path_factory.mktemp("models") / "scripted-qwen", "visible", "amodal")


@pytest.fixture(scope="module")
def node(request, model):
    node = start_node(
        request.module.DOMAIN,
        model=str(model),
        engine_command=COMMAND,
        default_instruction="the mug",
        engine_health_timeout=HEALTH_TIMEOUT,
        restart_backoff=0.2,
        **LIVE,
    )
    yield from until_stopped(node)


@pytest.fixture
def robot(running_robot, node):
    """The robot before a node with a fresh engine, for one that was replaced before waits longer for the next."""
    assert running_robot.set(**LIVE | {"free_on_deactivate": True}).successful
    running_robot.reset()
    running_robot.transition(DEACTIVATE)
    running_robot.forget()
    assert running_robot.transition(ACTIVATE)
    running_robot.status(reason="engine_ready")
    assert running_robot.set(**LIVE).successful
    running_robot.forget()
    return running_robot
