"""An answer by its deadline: first without thinking, then with it; what is cut, late, missed, and never truncated.

The engine is scripted: its thoughts come at once, or not before they are aborted. So no test needs a quick machine.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from told_answers import BOTH, SIZE

from egm_core.engines.base import Chunk, Engine, EngineError, Grammar, Health, Request, Token
from egm_core.families import family
from egm_core.grounder.gate import Gate, Weight
from egm_core.grounder.gate_file import Gates
from egm_core.grounder.grounder import Grounder, Grounding
from egm_core.grounder.together import Together
from egm_core.models.calibration import Curve, Measured, save
from egm_core.models.folder import ModelInfo, load_info, write_info

FIRST, AFTER = (100.0, 200.0, 300.0, 400.0), (500.0, 600.0, 700.0, 800.0)
PLAIN, RELATED = "the mug", "the mug left of the box"
LONG = 3600.0


class Scripted(Engine):
    """Answers without thinking at once, or after `wait`, or `fails` at a task; `thoughts` says what becomes of others.

    "end": they come at once. "hang": they begin, and end when they are aborted. Otherwise it is their whole text.
    """

    def __init__(self, thoughts: str = "end", fails: str = "", wait: float = 0.0) -> None:
        self.thoughts, self.fails, self.wait = thoughts, fails, wait
        self.asked: list[Request] = []
        self.aborted: dict[str, threading.Event] = {}
        self.hung = threading.Event()

    def generate(self, request: Request) -> Iterator[Chunk]:
        self.asked.append(request)
        stop = self.aborted.setdefault(request.id, threading.Event())
        speaker, task = family("qwen3_vl"), "amodal" if request.id.startswith("amodal") else "visible"
        if not request.reasoning:
            if task == self.fails:
                raise EngineError("engine_failed", "scripted")
            stop.wait(self.wait)
            yield said("</think>" + speaker.target("it", FIRST, "", task).partition("</think>")[2])
        elif self.thoughts == "end":
            yield said(speaker.target("it", AFTER, "Thought.", task))
        elif self.thoughts == "hang":
            yield Chunk("I see ", (Token("I see ", -0.1),))
            self.hung.set()
            assert stop.wait(60), "nobody aborts the thought"
            yield Chunk("", (), "abort")
        else:
            yield said(self.thoughts)

    def abort(self, request_id: str) -> None:
        self.aborted.setdefault(request_id, threading.Event()).set()

    def health(self) -> Health:
        return Health("ready")

    def grammar(self) -> Grammar:
        return "enforced"

    def kind(self) -> str:
        return "scripted"

    def close(self) -> None:
        pass


def said(text: str) -> Chunk:
    return Chunk(text, tuple(Token(letter, -0.1) for letter in text), "stop")


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.zeros((SIZE[1], SIZE[0], 3), np.uint8)


def ground(engine: Scripted, picture: NDArray[np.uint8], sent: str, info: ModelInfo = BOTH, **limits: float) -> Any:
    grounder = Grounder(engine, info)
    try:
        return grounder.ground(picture, sent, **limits)
    finally:
        grounder.close()


def pixels(box: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(edge / 1000 * side for edge, side in zip(box, SIZE * 2, strict=True))


def test_a_plain_expression_is_asked_once_and_without_thinking(picture: NDArray[np.uint8]) -> None:
    engine = Scripted()
    found = ground(engine, picture, PLAIN, deadline=LONG)
    assert (found.outcome, found.thought, found.amodal_thought, found.missed) == ("found", "no", "no", False)
    assert found.visible == pytest.approx(pixels(FIRST))
    assert [request.reasoning for request in engine.asked] == [False, False]


def test_one_that_must_be_compared_is_thought_about_with_the_same_picture_and_prompt(
    picture: NDArray[np.uint8],
) -> None:
    engine = Scripted()
    found = ground(engine, picture, RELATED, deadline=LONG)
    assert (found.thought, found.amodal_thought, found.reasoning, found.missed) == ("yes", "yes", "Thought.", False)
    assert found.visible == pytest.approx(pixels(AFTER))
    assert [request.reasoning for request in engine.asked] == [False, False, True, True]
    pairs = {task: [r for r in engine.asked if r.id.startswith(task)] for task in ("visible", "amodal")}
    for before, after in pairs.values():
        assert before.image is after.image and before.prompt == after.prompt and before.id != after.id


def test_without_a_deadline_the_model_thinks_at_once(picture: NDArray[np.uint8]) -> None:
    engine = Scripted()
    found = ground(engine, picture, PLAIN)
    assert (found.thought, found.visible, found.missed) == ("yes", pytest.approx(pixels(AFTER)), False)
    assert [request.reasoning for request in engine.asked] == [True, True]


def test_a_thought_that_has_not_ended_is_cut_and_the_first_box_stands(picture: NDArray[np.uint8]) -> None:
    engine = Scripted("hang")
    found = ground(engine, picture, RELATED, deadline=1.0)
    assert (found.outcome, found.thought, found.amodal_thought) == ("found", "late", "late")
    assert found.visible == pytest.approx(pixels(FIRST)) and found.reasoning == ""
    thoughts = [request.id for request in engine.asked if request.reasoning]
    assert all(engine.aborted[name].is_set() for name in thoughts)


def test_a_thought_is_cut_the_earlier_the_longer_answers_took_after_it(picture: NDArray[np.uint8]) -> None:
    grounder = Grounder(Scripted("hang"), BOTH)
    grounder._closing_time.took(0.0)
    grounder._closing_time.took(1.0)
    found = grounder.ground(picture, RELATED, deadline=3.0)
    grounder.close()
    assert (found.thought, found.missed) == ("late", False) and 1400 < found.total_ms < 2900


def test_after_a_cut_the_next_picture_s_thought_is_not_begun(picture: NDArray[np.uint8]) -> None:
    engine = Scripted("hang")
    grounder = Grounder(engine, BOTH, deadline=5.0)
    grounder._thought_time.cut(LONG)
    found = grounder.ground(picture, RELATED)
    grounder.close()
    assert found.thought == "late" and not any(request.reasoning for request in engine.asked)


def test_a_first_box_after_the_deadline_is_the_answer_and_missed(picture: NDArray[np.uint8]) -> None:
    engine = Scripted(wait=0.3)
    found = ground(engine, picture, RELATED, deadline=0.1)
    assert (found.outcome, found.missed, found.thought) == ("found", True, "late")
    assert found.visible == pytest.approx(pixels(FIRST)) and found.total_ms >= 300
    assert not any(request.reasoning for request in engine.asked), "there was no time to think"


def test_the_timeout_aborts_what_the_deadline_lets_run(picture: NDArray[np.uint8]) -> None:
    found = ground(Scripted(wait=30.0), picture, PLAIN, deadline=0.1, timeout=0.3)
    assert (found.outcome, found.reason, found.missed, found.thought) == ("error", "timeout", True, "")


@pytest.mark.parametrize("text", ["I see a mug at (1,2) and ", "I would rather talk.", ""])
def test_a_thought_that_says_nothing_leaves_the_first_box(picture: NDArray[np.uint8], text: str) -> None:
    found = ground(Scripted(text), picture, RELATED, deadline=LONG)
    assert (found.outcome, found.thought) == ("found", "no")
    assert found.visible == pytest.approx(pixels(FIRST))
    assert sum(warning.startswith("thought_failed: ") for warning in found.warnings) == 2


def test_an_engine_that_fails_at_once_is_not_asked_to_think(picture: NDArray[np.uint8]) -> None:
    engine = Scripted(fails="visible")
    found = ground(engine, picture, RELATED, deadline=LONG)
    assert (found.outcome, found.reason, found.thought) == ("error", "engine_failed", "")
    assert not any(request.reasoning for request in engine.asked)


def test_reasoning_off_stays_off(picture: NDArray[np.uint8]) -> None:
    engine = Scripted()
    grounder = Grounder(engine, BOTH, reasoning=False)
    found = grounder.ground(picture, RELATED, deadline=LONG)
    grounder.close()
    assert (found.thought, found.missed, len(engine.asked)) == ("no", False, 2)


def test_scores_are_calibrated_by_how_the_answer_was_made(picture: NDArray[np.uint8], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    write_info(tmp_path, BOTH)
    save(tmp_path, "scripted", Measured({"visible": Curve((0.0,), (0.7,))}, 1, 1))
    info = load_info(tmp_path)
    assert ground(Scripted(), picture, PLAIN, info, deadline=LONG).calibrated == ()
    save(tmp_path, "scripted", Measured({"visible": Curve((0.0,), (0.4,))}, 1, 1), reasoning=False)
    assert ground(Scripted(), picture, PLAIN, info, deadline=LONG).score == 0.4
    assert ground(Scripted(), picture, RELATED, info, deadline=LONG).score == 0.7
    assert ground(Scripted(), picture, PLAIN, info).score == 0.7


SURE = Weight(0.0, 1.0, 30.0, -30.0, 30.0)
NEVER = Weight(0.0, 1.0, -30.0, -30.0, 30.0)


@pytest.fixture
def sharing(tmp_path: Path) -> ModelInfo:
    """A model whose gate thinks about the visible box, and leaves the amodal one to that thought."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    write_info(tmp_path, BOTH)
    together = Together(Gate({}, SURE), Gate({}, NEVER), Gate({}, SURE), 0.001, Curve((0.0,), (0.3,)), "scripted")
    Gates(Gate({}, NEVER), together).save(tmp_path)
    return load_info(tmp_path)


def test_one_thought_serves_both_boxes(picture: NDArray[np.uint8], sharing: ModelInfo, tmp_path: Path) -> None:
    save(tmp_path, "scripted", Measured({"visible": Curve((0.0,), (0.7,)), "amodal": Curve((0.0,), (0.6,))}, 1, 1))
    engine = Scripted()
    found = ground(engine, picture, PLAIN, sharing, deadline=LONG)
    assert [request.id.split("-")[0] for request in engine.asked if request.reasoning] == ["visible"]
    assert found.visible == found.amodal == pytest.approx(pixels(AFTER))
    assert (found.thought, found.amodal_thought, found.repairs) == ("yes", "yes", ("amodal_as_visible",))
    assert (found.score, found.amodal_score, found.calibrated) == (0.7, 0.3, ("visible", "amodal"))


def test_an_amodal_box_of_the_same_object_stays(picture: NDArray[np.uint8], sharing: ModelInfo) -> None:
    near = family("qwen3_vl").target("it", (*FIRST[:3], 410.0), "Thought.", "visible")
    found = ground(Scripted(near), picture, PLAIN, sharing, deadline=LONG)
    assert (found.thought, found.amodal_thought) == ("yes", "no")
    assert "amodal_as_visible" not in found.repairs


def test_a_visible_box_asked_for_alone_has_a_gate_of_its_own(picture: NDArray[np.uint8], sharing: ModelInfo) -> None:
    engine = Scripted()
    grounder = Grounder(engine, sharing, tasks=("visible",))
    assert grounder.ground(picture, PLAIN, deadline=LONG).thought == "no"
    grounder.close()
    assert len(engine.asked) == 1


def test_a_shared_thought_that_fails_or_is_late_leaves_both_first_boxes(
    picture: NDArray[np.uint8], sharing: ModelInfo
) -> None:
    for thoughts, limit, thought in (("I would rather talk.", LONG, "no"), ("hang", 1.0, "late")):
        found = ground(Scripted(thoughts), picture, PLAIN, sharing, deadline=limit)
        assert (found.thought, found.amodal_thought, found.repairs) == (thought, "no", ())
        assert found.visible == found.amodal == pytest.approx(pixels(FIRST))


def test_cancelling_aborts_the_thought(picture: NDArray[np.uint8]) -> None:
    engine = Scripted("hang")

    async def cancelled() -> None:
        grounder = Grounder(engine, BOTH)
        task = asyncio.ensure_future(grounder.ask(picture, RELATED, deadline=LONG))
        assert await asyncio.to_thread(engine.hung.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        grounder.close()

    asyncio.run(cancelled())
    thoughts = [request.id for request in engine.asked if request.reasoning]
    assert thoughts and all(engine.aborted[name].is_set() for name in thoughts)


@pytest.mark.parametrize(("thoughts", "final"), [("end", AFTER), ("I would rather talk.", FIRST)])
def test_the_first_box_is_heard_without_what_is_not_there_yet(
    picture: NDArray[np.uint8], thoughts: str, final: tuple[float, ...]
) -> None:
    """Once: the amodal box and the thought are to come."""
    engine, heard = Scripted(thoughts), []

    def hear(found: Grounding) -> None:
        heard.append(found)

    grounder = Grounder(engine, BOTH)
    found = asyncio.run(grounder.ask(picture, RELATED, deadline=LONG, heard=hear))
    grounder.close()
    (first,) = heard
    assert (first.outcome, first.amodal, first.thought) == ("found", None, "")
    assert first.visible == pytest.approx(pixels(FIRST))
    assert found.visible == pytest.approx(pixels(final)) and found.amodal is not None


def test_the_first_box_is_heard_while_the_amodal_one_is_awaited(picture: NDArray[np.uint8]) -> None:
    heard = threading.Event()

    async def asked() -> None:
        amodal = Scripted(wait=60.0)
        grounder = Grounder(Scripted(), BOTH, amodal_engine=amodal, reasoning=False)
        task = asyncio.ensure_future(grounder.ask(picture, PLAIN, heard=lambda found: heard.set()))
        assert await asyncio.to_thread(heard.wait, 30.0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert all(stop.is_set() for stop in amodal.aborted.values())
        grounder.close()

    asyncio.run(asked())


def test_nothing_waits_for_an_amodal_box_once_the_visible_one_is_there_at_the_deadline(
    picture: NDArray[np.uint8],
) -> None:
    grounder = Grounder(Scripted(), BOTH, amodal_engine=Scripted(wait=60.0))
    grounder._closing_time.took(0.0)
    grounder._closing_time.took(0.4)
    found = grounder.ground(picture, PLAIN, deadline=1.5)
    assert (found.outcome, found.amodal, found.amodal_thought, found.missed) == ("found", None, "", False)
    assert any(warning.startswith("amodal_failed: deadline") for warning in found.warnings)
