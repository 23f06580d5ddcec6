"""Goals of ~/ground, cancelled at any moment beside a stream, with the embedded model: nothing is left of them.

make soak-action                     # 1,000 cancels; SOAK_CANCELS=100 make soak-action tries it
"""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
pytest.importorskip("egm_msgs.action", reason="egm_msgs is not built: make setup, or colcon build")

from action_msgs.msg import GoalStatus
from domains import UNCLAIMED
from egm_msgs.action import Ground
from processes import wait_for
from rclpy.action import ActionClient
from robot import image_message
from running import Process, request
from stills import PICTURES, TABLETOP, cameras
from witness import Cost, Witness, table

from egm_core.models.folder import EMBEDDED

DOMAIN = UNCLAIMED
CANCELS = int(os.environ.get("SOAK_CANCELS", "1000"))
NODE = Path(__file__).with_name("counted_node.py")
# Seconds from sending a goal to cancelling it, as often short as long: before its turn, in the midst of it, too late.
PATIENCES = (0.001, 1.5)
AT_ONCE = 4
# So many tasks more are those of the stream, and of timers, at another moment.
OTHERS = 5
# Seconds until the node has forgotten every goal: it keeps a result for 10, and some go together with a later one.
FORGOTTEN = 60.0

pytestmark = [pytest.mark.ros, pytest.mark.clock, pytest.mark.slow]


@dataclass
class Sent:
    """A goal under way; times are monotonic seconds."""

    accepted: Any
    due: float
    handle: Any = None
    ended: Any = None
    cancelled: float = 0.0


@dataclass
class Goals:
    """Sends goals and cancels each in its time, several at once, without waiting for any."""

    node: Any
    draw: random.Random = field(default_factory=lambda: random.Random(9))
    under_way: list[Sent] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    lasted: list[float] = field(default_factory=list)
    wrong: list[AssertionError] = field(default_factory=list)
    enough: int = 0

    def __post_init__(self) -> None:
        self.client = ActionClient(self.node, Ground, "grounding/ground")

    def run(self, cancels: int, meanwhile: Callable[[], object]) -> None:
        """Go on until so many goals more have ended as cancelled, and all that were sent have ended.

        The client's own thread does it all: rclpy drops an answer that comes before a call from another has returned.
        """
        self.enough = self.ends["cancelled"] + cancels
        timer = self.node.create_timer(0.005, self._step)
        while self.ends["cancelled"] < self.enough or self.under_way:
            assert not self.wrong, self.wrong[0]
            meanwhile()
            time.sleep(0.1)
        self.node.destroy_timer(timer)

    def _step(self) -> None:
        try:
            if len(self.under_way) < AT_ONCE and self.ends["cancelled"] < self.enough:
                self._send()
            self.under_way = [sent for sent in self.under_way if not self._ended(sent)]
        except AssertionError as error:
            self.wrong.append(error)

    def _send(self) -> None:
        goal = Ground.Goal(instruction=self.draw.choice(TABLETOP), camera=self.draw.choice(("front", "left")))
        if self.draw.random() < 0.3:
            goal.image = image_message(224, 168)
        patience = math.exp(self.draw.uniform(*map(math.log, PATIENCES)))
        self.under_way.append(Sent(self.client.send_goal_async(goal), time.monotonic() + patience))

    def _ended(self, sent: Sent) -> bool:
        """Do what is next for a goal; say whether it has ended."""
        now = time.monotonic()
        if sent.handle is None and sent.accepted.done():
            sent.handle = sent.accepted.result()
            assert sent.handle.accepted
            sent.ended = sent.handle.get_result_async()
        if sent.handle is not None and not sent.cancelled and now > sent.due:
            sent.handle.cancel_goal_async()
            sent.cancelled = now
        if sent.ended is None or not sent.ended.done():
            return False
        answer = sent.ended.result()
        if answer.status == GoalStatus.STATUS_CANCELED:
            assert (answer.result.outcome, answer.result.reason) == ("error", "cancelled")
            assert not answer.result.visible.detections and not answer.result.amodal.detections
            self.lasted.append(1000.0 * (now - sent.cancelled))
        word = "cancelled" if answer.status == GoalStatus.STATUS_CANCELED else answer.result.reason
        self.ends[word or answer.result.outcome] += 1
        return True


@pytest.mark.parametrize(
    "cancels",
    [40, pytest.param(CANCELS, marks=[pytest.mark.soak, pytest.mark.timeout(2.0 * CANCELS + 240.0)])],
    ids=["short", "soak"],
)
def test_nothing_is_left_of_goals_that_were_cancelled(cancels: int) -> None:
    engine = Process([sys.executable, "-m", "egm_core.serve", "--port", "0", "--model", EMBEDDED], DOMAIN)
    said = wait_for("the engine", lambda: next((line for line in engine.lines if "listening on" in line), None))
    url = said.split("listening on ")[1].split()[0]
    settings = {"cameras": list(PICTURES), "max_rate": 0.0, "query_timeout": 60.0, "engine_url": url}
    words = [word for name, value in settings.items() for word in ("-p", f"{name}:={json.dumps(value)}")]
    node = Process([sys.executable, str(NODE), "--ros-args", *words], DOMAIN)
    witness, cost = Witness(DOMAIN, PICTURES), Cost(node.pid, engine.pid)
    goals = Goals(witness.node)
    try:
        witness.meet()
        witness.instruct(TABLETOP[:1])
        assert goals.client.wait_for_server(60.0), "no action ~/ground"
        with cameras(DOMAIN):
            wait_for("answers", lambda: len(witness.answered()) > 6, 120.0)
            goals.run(max(5, cancels // 10), lambda: None)
            before = _living(node, witness, url)
            answered, begun = len(witness.answered()), time.monotonic()
            goals.lasted.clear()
            goals.ends.clear()
            goals.run(cancels, cost.note)
            lasted = time.monotonic() - begun
            answers = len(witness.answered()) - answered
            after = _living(node, witness, url)
            # The stream is there still.
            wait_for("an answer of the stream", lambda: len(witness.answered()) > answered + answers, 60.0)
    finally:
        witness.close()
        assert node.stop() == 0, node.output
        engine.stop()
    assert "Traceback" not in node.output
    assert "Traceback" not in engine.output
    print(
        table(
            f"{cancels} goals cancelled in {lasted:.0f} s, {AT_ONCE} at a time",
            [
                ("how goals ended", dict(goals.ends)),
                ("from cancelling to the result", f"{statistics.median(goals.lasted):.0f} ms"),
                ("the same, 99 %", f"{np.percentile(goals.lasted, 99):.0f} ms"),
                ("answers of the stream meanwhile", answers),
                ("alive before", before),
                ("alive after", after),
                *cost.rows(),
            ],
        )
    )
    assert set(goals.ends) <= {"cancelled", "found", "absent"}
    assert all(after[kind] <= before[kind] + OTHERS for kind in after)
    assert answers > 0
    assert cost.steady()


def _living(node: Process, witness: Witness, url: str) -> dict[str, int]:
    """Have the stream rest until the engine does and every goal is forgotten; count what lives in the node then."""
    lines, camera = TABLETOP[:1], "front"
    witness.instruct(())
    witness.serves(camera, ())
    wait_for("a rest of the engine", lambda: request(f"{url}/health")["open"] == 0)
    told = len(node.lines)

    def counted() -> dict[str, int] | None:
        said = [json.loads(x.removeprefix("living ")) for x in node.lines[told:] if x.startswith("living ")]
        return next((living for living in said if not living["ServerGoalHandle"]), None)

    living = wait_for("no goal that the node remembers", counted, FORGOTTEN)
    witness.instruct(lines)
    witness.serves(camera, lines)
    return living
