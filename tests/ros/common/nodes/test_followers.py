"""The states of the nodes that follow others, over the services of ROS, and what they say of themselves meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from running import counts
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from egm_ros.overlay.node import OverlayNode

pytestmark = [pytest.mark.ros, pytest.mark.clock]

CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE
SHUTDOWN = Transition.TRANSITION_UNCONFIGURED_SHUTDOWN
# Of each follower: a topic that it publishes, and the type of that.
FOLLOWERS = {"overlay": "image", "propagation": "visible", "lifting": "visible"}


class Managed:
    """A follower's process, its services, and the newest rows of it on /diagnostics."""

    def __init__(self, bench: Any, name: str, *words: str) -> None:
        self.bench, self.name = bench, name
        self.arrays = bench.collect(DiagnosticArray, "/diagnostics")
        self.process = bench.start(f"egm_ros.{name}", "--ros-args", *words)
        self._change = bench.node.create_client(ChangeState, f"/{name}/change_state")
        self._get = bench.node.create_client(GetState, f"/{name}/get_state")
        bench.until(self._get.service_is_ready)
        bench.until(self._change.service_is_ready)

    def _call(self, client: Any, request: Any) -> Any:
        future = client.call_async(request)
        self.bench.until(future.done)
        return future.result()

    def change(self, number: int) -> bool:
        request = ChangeState.Request()
        request.transition.id = number
        return bool(self._call(self._change, request).success)

    @property
    def state(self) -> str:
        return str(self._call(self._get, GetState.Request()).current_state.label)

    def rows(self) -> dict[str, DiagnosticStatus]:
        """Give the next rows, by what they are about."""
        before = len(self.arrays)

        def own() -> list[DiagnosticArray]:
            return [a for a in self.arrays[before:] if a.status[0].name.startswith(f"{self.name}:")]

        self.bench.until(own)
        return {entry.name.partition(": ")[2]: entry for entry in own()[-1].status}

    def row(self, what: str, condition: Callable[[DiagnosticStatus], bool]) -> DiagnosticStatus:
        """Wait for a row that is so."""
        for _ in range(30):
            found = self.rows()[what]
            if condition(found):
                return found
        pytest.fail(f"{what} was never so: {found}")


@pytest.mark.parametrize("name", FOLLOWERS)
def test_it_publishes_from_configuration_on_and_listens_while_it_is_active(bench: Any, name: str) -> None:
    topic = f"/{name}/{FOLLOWERS[name]}"
    looks = bench.collect(Image if name == "overlay" else Detection2DArray, topic)
    managed, count = Managed(bench, name, "-p", "autostart:=false"), bench.node.count_publishers
    assert managed.state == "unconfigured" and count(topic) == 0 and looks == []
    assert managed.change(CONFIGURE) and managed.state == "inactive"
    bench.until(lambda: count(topic) == 1)
    assert bench.node.count_subscribers("/grounding/visible") == 0
    for _ in range(2):
        assert managed.change(ACTIVATE) and managed.state == "active"
        bench.until(lambda: bench.node.count_subscribers("/grounding/visible") == 1)
        assert managed.change(DEACTIVATE) and managed.state == "inactive"
        bench.until(lambda: bench.node.count_subscribers("/grounding/visible") == 0)
    assert managed.change(CLEANUP) and managed.state == "unconfigured"
    bench.until(lambda: count(topic) == 0)
    assert managed.change(SHUTDOWN) and managed.state == "finalized"
    assert managed.process.poll() is None


@pytest.mark.parametrize("name", FOLLOWERS)
def test_cycles_leave_nothing_behind(bench: Any, name: str) -> None:
    managed = Managed(bench, name, "-p", "autostart:=false")

    def cycles(many: int) -> tuple[int, int]:
        for _ in range(many):
            for number in (CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP):
                assert managed.change(number)
        return counts(managed.process.pid)

    before = cycles(2)
    after = cycles(6)
    assert all(now <= then for now, then in zip(after, before, strict=True)), f"{before} became {after}"


@pytest.mark.parametrize("name", FOLLOWERS)
def test_what_its_state_does_not_have_is_refused_and_it_lives_on(bench: Any, name: str) -> None:
    managed = Managed(bench, name)
    bench.until(lambda: managed.state == "active")
    assert not managed.change(ACTIVATE) and not managed.change(200)
    assert managed.state == "active" and managed.process.poll() is None
    refused = (
        f"is not possible, for the node is active; possible now: deactivate, shutdown (ros2 lifecycle set /{name} deac"
    )
    assert f"transition_refused: activate {refused}" in bench.output()
    assert f"transition_refused: transition 200 {refused}" in bench.output()
    assert managed.rows()["state"].level == DiagnosticStatus.OK


@pytest.mark.parametrize("name", FOLLOWERS)
def test_diagnostics_tell_the_state_and_what_nothing_comes_on(bench: Any, name: str) -> None:
    managed = Managed(bench, name, "-p", "autostart:=false")
    rows = managed.rows()
    assert list(rows) == ["state", "inputs", "output"]
    assert (rows["state"].level, rows["state"].message) == (DiagnosticStatus.WARN, "unconfigured")
    assert rows["inputs"].level == rows["output"].level == DiagnosticStatus.STALE
    looks = bench.collect(Image, "/overlay/image")
    assert managed.change(CONFIGURE) and managed.change(ACTIVATE)
    managed.row("state", lambda row: (row.level, row.message) == (DiagnosticStatus.OK, "active"))
    silent = managed.row("inputs", lambda row: row.level == DiagnosticStatus.ERROR)
    needed = {"overlay": "/image", "propagation": "/image", "lifting": "/depth"}[name]
    assert f"nothing comes on {needed}" in silent.message and "nobody publishes there" in silent.message
    values = {pair.key: pair.value for pair in silent.values}
    assert values[f"{needed} received"] == "0" and looks == []


def test_diagnostics_tell_what_became_of_the_pictures(bench: Any) -> None:
    managed, looks = Managed(bench, "overlay"), bench.collect(Image, "/overlay/image")
    camera = bench.node.create_publisher(Image, "image", 5)
    bench.until(camera.get_subscription_count)
    camera.publish(Image(encoding="rgb8", width=4, height=2, step=12, data=bytes(24)))
    bench.until(lambda: looks)
    camera.publish(Image(encoding="no such", width=4, height=2, step=12, data=bytes(24)))
    row = managed.row("output", lambda row: row.level == DiagnosticStatus.ERROR)
    values = {pair.key: pair.value for pair in row.values}
    assert values["plain"] == "1" and "no such" in row.message


def test_what_nobody_foresaw_ends_no_follower_and_stands_on_diagnostics(bench: Any) -> None:
    node = bench.add(OverlayNode, {})
    arrays = bench.collect(DiagnosticArray, "/diagnostics")
    node.survive(KeyError("lost"))
    bench.until(lambda: any("internal_error: KeyError: 'lost'" in row.message for one in arrays for row in one.status))
