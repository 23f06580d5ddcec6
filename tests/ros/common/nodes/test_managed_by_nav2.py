"""The calls of nav2's lifecycle manager, in its order and with its patience, to real nodes.

As in nav2_lifecycle_manager at a3a97043: each node in turn is changed, asked for its state, and compared; forwards to
bring them up, backwards to bring them down.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState

pytestmark = [pytest.mark.ros, pytest.mark.clock]

NODES = ("grounding", "overlay", "propagation", "lifting")
# nav2's service_timeout (seconds).
PATIENCE = 5.0
EXPECTED = {
    Transition.TRANSITION_CONFIGURE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_ACTIVATE: State.PRIMARY_STATE_ACTIVE,
    Transition.TRANSITION_DEACTIVATE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_CLEANUP: State.PRIMARY_STATE_UNCONFIGURED,
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: State.PRIMARY_STATE_FINALIZED,
}
UP = (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
DOWN = (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP)


class Manager:
    """Manages nodes as nav2 does with `bond_timeout: 0.0`."""

    def __init__(self, bench: Any, nodes: Sequence[str]) -> None:
        self.bench, self.nodes = bench, nodes
        make = bench.node.create_client
        self.change = {node: make(ChangeState, f"{node}/change_state") for node in nodes}
        self.get = {node: make(GetState, f"{node}/get_state") for node in nodes}
        for client in (*self.get.values(), *self.change.values()):
            bench.until(client.service_is_ready, 60.0)

    def one(self, node: str, transition: int) -> bool:
        request = ChangeState.Request()
        request.transition.id = transition
        changed, state = self._call(self.change[node], request), self._call(self.get[node], GetState.Request())
        return changed.success and state.current_state.id == EXPECTED[transition]

    def all(self, transition: int) -> bool:
        """Change all nodes; the first that does not follow ends it."""
        nodes = self.nodes if transition in UP else self.nodes[::-1]
        return all(self.one(node, transition) for node in nodes)

    def startup(self) -> bool:
        return all(self.all(transition) for transition in UP)

    def reset(self) -> bool:
        return all(self.all(transition) for transition in DOWN)

    def _call(self, client: Any, request: Any) -> Any:
        asked, began = client.call_async(request), time.monotonic()
        self.bench.until(asked.done)
        assert time.monotonic() - began < PATIENCE
        return asked.result()


@pytest.fixture
def nodes(bench: Any) -> None:
    url = ("-p", "engine_url:=http://127.0.0.1:9")
    for name in NODES:
        bench.start(f"egm_ros.{name}", "--ros-args", "-p", "autostart:=false", *(url if name == "grounding" else ()))


def test_it_brings_all_nodes_up_pauses_resumes_resets_and_shuts_them_down(bench: Any, nodes: None) -> None:
    manager = Manager(bench, NODES)
    assert manager.startup()
    assert manager.all(Transition.TRANSITION_DEACTIVATE), "pause"
    assert manager.all(Transition.TRANSITION_ACTIVATE), "resume"
    assert manager.reset()
    assert manager.startup()
    assert manager.reset()
    assert manager.all(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert [process.poll() for process in bench.processes] == [None] * len(NODES)


def test_a_node_that_activates_itself_is_not_for_a_manager(bench: Any) -> None:
    """That is why the guide says autostart:=false."""
    bench.start("egm_ros.overlay")
    manager = Manager(bench, ("overlay",))
    bench.until(lambda: manager._call(manager.get["overlay"], GetState.Request()).current_state.id == 3)
    assert not manager.startup()
    assert "transition_refused" in bench.output()


def test_a_node_that_cannot_be_configured_ends_the_start(bench: Any) -> None:
    bench.start("egm_ros.grounding", "--ros-args", "-p", "autostart:=false", "-p", "model:=no/such/model")
    bench.start("egm_ros.overlay", "--ros-args", "-p", "autostart:=false")
    manager = Manager(bench, ("grounding", "overlay"))
    assert not manager.startup()
    assert "configure_failed" in bench.output()
