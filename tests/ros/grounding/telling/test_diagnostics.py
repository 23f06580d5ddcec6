"""/diagnostics: what it says of the engine, the camera and the answers, and how bad it finds that."""

from __future__ import annotations

import os
import signal
import time

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from diagnostic_msgs.msg import DiagnosticArray
from domains import UNCLAIMED
from processes import alive, wait_for
from robot import Robot, image_message
from running import COMMAND, folder_of, request, scripted, start_node, url_of

from egm_core.supervise.link import EngineState
from egm_ros.grounding.telling import diagnostics
from egm_ros.grounding.telling.tally import Answers

DOMAIN = UNCLAIMED
READY = EngineState("ready", "engine_ready", "")
OK, WARN, ERROR, STALE = (bytes([level]) for level in range(4))


def values(status) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


@pytest.mark.parametrize(
    ("states", "level", "word"),
    [
        ([], STALE, "not configured"),
        ([READY], OK, "the engine is ready"),
        ([READY, EngineState("starting", "engine_starting", "waiting")], WARN, "the engine is starting: waiting"),
        ([EngineState("ready", "engine_degraded", "memory is short"), READY], WARN, "memory is short"),
        (
            [EngineState("starting", "engine_starting", ""), EngineState("failed", "engine_hung", "x\ny")],
            ERROR,
            "engine_hung: x",
        ),
    ],
)
def test_the_worst_engine_counts(states, level, word):
    status = diagnostics.engine_status("grounding", "model", diagnostics.EngineView(states, 2, 10**8, 3 * 10**8))
    assert (status.level, status.name) == (level, "grounding: engine")
    assert word in status.message
    assert "\n" not in status.message
    assert values(status) | {"restarts": "2", "node_memory_mb": "100.000", "engine_memory_mb": "300.000"} == values(
        status
    )


@pytest.mark.parametrize(
    ("silent", "age", "level", "word"),
    [
        (0.1, 0.2, OK, "25.0 images per second on /front/image"),
        (
            3.0,
            3.0,
            ERROR,
            "no image on /front/image for 3.0 s; 1 publisher(s) there, and this node asks for best effort",
        ),
        (0.1, 60.0, WARN, "use_sim_time"),
    ],
)
def test_an_input_is_judged_by_silence_and_age(silent, age, level, word):
    view = diagnostics.InputView("front", "/front/image", "best effort", 1, 25.0, age, 100, 90, silent)
    status = diagnostics.input_status("grounding", "front", view, 2.0, 10.0)
    assert (status.level, status.name) == (level, "grounding: input front")
    assert word in status.message


def test_stamps_that_are_of_no_use_are_a_warning():
    view = diagnostics.InputView(
        "front",
        "/front/image",
        "best effort",
        1,
        25.0,
        0.1,
        100,
        90,
        0.1,
        stamps="the messages on /front/image carry no stamp (0)",
    )
    status = diagnostics.input_status("grounding", "front", view, 2.0, 10.0)
    assert status.level == WARN
    assert "/front/image carry no stamp (0); ages are counted from arrival" in status.message


def test_answers_are_judged_by_the_last_one_and_by_how_long_ago_it_was():
    answers = Answers()

    def level(instruction: str = "the mug", quiet: float = 0.1) -> bytes:
        return diagnostics.answers_status("grounding", "", instruction, 0, answers, quiet, 5.0).level

    assert (level(""), level()) == (OK, STALE)
    for outcome, expected in (("found", OK), ("absent", OK), ("stale", WARN), ("error", ERROR)):
        answers.concluded(1.0, outcome, outcome, ("amodal_union", "amodal_as_visible", "salvaged: prose"))
        assert (level(), level(quiet=9.0), level("")) == (expected, STALE, OK)
    answers.concluded(1.0, "low_score", "raw scores", (), doubtful=True)
    assert level() == WARN
    told = values(diagnostics.answers_status("grounding", "", "the mug", 1, answers, 0.1, 5.0))
    assert (told["found"], told["error"], told["amodal_union"], told["queue"]) == ("1", "1", "4", "1")
    assert told["amodal_as_visible"] == "4"
    assert told["salvaged"] == "4"
    assert (told["absent"], told["low_score"]) == ("1", "1")


class Listener:
    """Keeps the newest status of each name, and when each array came."""

    def __init__(self, robot: Robot) -> None:
        self.newest: dict[str, object] = {}
        self.times: list[float] = []
        robot.node.create_subscription(DiagnosticArray, "/diagnostics", self._keep, 10)

    def _keep(self, message: DiagnosticArray) -> None:
        self.times.append(time.monotonic())
        for status in message.status:
            self.newest[status.name] = status

    def value(self, name: str, key: str) -> str:
        return values(self.newest[f"grounding: {name}"])[key]

    def wait(self, name: str, level: bytes, word: str = "", **expected: str):
        def find():
            status = self.newest.get(f"grounding: {name}")
            fits = status is not None and status.level == level and word in status.message
            return status if fits and values(status) | expected == values(status) else None

        try:
            return wait_for(f"{name} at {level!r} {word}", find)
        except AssertionError as error:
            raise AssertionError(f"{error}; it says {self.newest}") from None


@pytest.mark.ros
@pytest.mark.clock
def test_the_node_tells_how_it_is_once_a_second(tmp_path):
    model = folder_of(tmp_path / "scripted-qwen", "visible", "amodal")
    node = start_node(
        DOMAIN, model=str(model), engine_command=COMMAND, max_rate=0.0, image_timeout=1.5, restart_backoff=0.2
    )
    robot = Robot(DOMAIN)
    try:
        listener = Listener(robot)
        engine = listener.wait("engine", OK, "the engine is ready", restarts="0")
        assert float(values(engine)["node_memory_mb"]) > 20.0
        assert float(values(engine)["engine_memory_mb"]) > 5.0
        listener.wait("input", ERROR, "no image on /image")
        listener.wait("answers", OK, "no instruction")
        robot.instruct("the mug")
        with robot.stream(20.0):
            seen = listener.wait("input", OK, "images per second on /image")
            listener.wait("answers", OK, "found: the mug")
            wait_for("a settled rate", lambda: 10.0 < float(listener.value("input", "rate_hz")) < 25.0)
            assert 0.0 <= float(values(seen)["age_ms"]) < 5000.0
            (process,) = scripted(node.pid)
            request(f"{url_of(process)}/script", {"mode": "small_amodal"})
            wait_for("counted repairs", lambda: int(listener.value("answers", "amodal_union")) > 0)
            os.kill(process, signal.SIGSTOP)
            os.kill(process, signal.SIGKILL)
            listener.wait("engine", OK, "the engine is ready", restarts="1")
            listener.wait("answers", OK, "found: the mug")
        silent = listener.wait("input", ERROR, "no image on /image")
        assert "best effort" in silent.message
        assert "1 publisher(s)" in silent.message
        robot.show(image_message(stamp=time.time() - 60.0))
        listener.wait("input", WARN, "use_sim_time")
        spans = [later - earlier for earlier, later in zip(listener.times, listener.times[1:], strict=False)]
        assert sorted(spans)[len(spans) // 2] == pytest.approx(1.0, abs=0.2)
        assert alive(node.pid)
    finally:
        robot.close()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output
