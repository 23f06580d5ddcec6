"""A robot before a grounding node of one camera, with a scripted engine."""

from __future__ import annotations

import time

import pytest
from one_camera import LIVE
from processes import wait_for
from running import start_node, until_stopped


@pytest.fixture(scope="module")
def node(request, engine):
    node = start_node(request.module.DOMAIN, model="scripted-qwen", engine_url=engine.url, **LIVE)
    yield from until_stopped(node)


@pytest.fixture
def robot(running_robot, engine):
    engine.script(mode="found", delay=0.0, logprob=-0.1, thought_delay=None)
    assert running_robot.set(**LIVE).successful
    running_robot.enable(True)
    running_robot.reset()
    wait_for("a rest of the engine", lambda: engine.stats()["running"] == 0)
    time.sleep(0.1)
    running_robot.forget()
    return running_robot
