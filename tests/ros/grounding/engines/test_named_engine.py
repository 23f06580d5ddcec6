"""An engine by its name below a node: started, asked, and replaced when it is killed; a contradiction ends the node."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
from domains import UNCLAIMED
from named_engines import scripted_vllm
from processes import alive, wait_for
from running import scripted, start_node, until_stopped
from supervised import HEALTH_TIMEOUT, LIVE

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = OTHER_DOMAIN = UNCLAIMED


@pytest.fixture(scope="module")
def node(request, model, tmp_path_factory):
    node = start_node(
        request.module.DOMAIN,
        model=str(model),
        engine="vllm",
        engine_python=str(scripted_vllm(tmp_path_factory.mktemp("environment"))),
        default_instruction="the mug",
        engine_health_timeout=HEALTH_TIMEOUT,
        restart_backoff=0.2,
        **LIVE,
    )
    yield from until_stopped(node)


def test_a_named_engine_answers_and_is_replaced_when_it_is_killed(robot: Any, node: Any) -> None:
    (engine,) = scripted(node.pid)
    with robot.stream(10.0):
        robot.status(outcome="found")
        os.kill(engine, signal.SIGKILL)
        assert robot.status(reason="engine_died")["level"] == 2
        wait_for("another engine", lambda: [pid for pid in scripted(node.pid) if pid != engine], 30.0)
        robot.forget()
        robot.status(outcome="found")
    assert not alive(engine)


@pytest.mark.parametrize(
    ("parameters", "status", "said"),
    [
        ({"engine": "vllm", "engine_url": "http://127.0.0.1:9"}, 2, "engine_url names a server that runs"),
        ({"engine": "sglang", "engine_python": "/nowhere/python"}, 1, "no program 'sglang' beside engine_python"),
    ],
)
def test_what_cannot_be_started_ends_the_node_with_the_remedy(
    model: Any, parameters: dict[str, Any], status: int, said: str
) -> None:
    node = start_node(OTHER_DOMAIN, model=str(model), **parameters)
    assert node.wait() == status
    assert said in node.output and "Traceback" not in node.output
