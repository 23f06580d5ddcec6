"""A server that is late, slow or gone at the start of an evaluation, and Ctrl-C while it answers."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.asking.engine import answerer
from egm_core.console import finish
from egm_core.engines.base import Engine, EngineError, Health, Request
from egm_core.evaluate.__main__ import main
from egm_core.evaluate.asking import Asked
from egm_core.evaluate.queries import Query
from egm_core.evaluate.scores import row_of
from egm_core.evaluate.waiting import awaited
from egm_core.sample import Sample, write_samples

sys.path.insert(0, str(Path(__file__).parents[1] / "engines"))
from misbehaving import running

BOX = (20.0, 20.0, 120.0, 120.0)
SAYS = 'says:```json\n[{"bbox_2d": [50, 100, 300, 600], "label": "cup"}]\n```'


class Late:
    """A server that is ready at its nth look, or once a look lasts long enough."""

    url = "http://late:8000"

    def __init__(self, ready_at: int = 10**9, needs: float = 0.0, state: str = "starting") -> None:
        self.ready_at, self.needs, self.state, self.looks = ready_at, needs, state, []

    def health(self, patience: float = 2.0) -> Health:
        self.looks.append(patience)
        there = len(self.looks) >= self.ready_at or 0 < self.needs <= patience
        return Health("ready", "", "m") if there else Health(self.state, f"nothing answers at {self.url}", "")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("egm_core.evaluate.waiting.PAUSE", 0.01)


@pytest.mark.parametrize("server", [Late(3), Late(needs=4.0)], ids=["late", "slow"])
def test_a_late_or_slow_server_is_waited_for_and_that_is_said_once(server, caplog):
    assert awaited(server, 60).model == "m"
    assert caplog.text.count("waiting for it, at most 60 s (--wait)") == 1


@pytest.mark.parametrize(("state", "seconds"), [("starting", 0.05), ("failed", 60)])
def test_a_server_that_is_gone_is_refused_by_name_with_the_remedy(state, seconds):
    began = time.monotonic()
    with pytest.raises(EngineError, match=r"nothing answers at http://late:8000.*start the server"):
        awaited(Late(state=state), seconds)
    assert time.monotonic() - began < 30


@pytest.fixture
def file(tmp_path):
    for n in range(6):
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.full((200, 400, 3), 90 + n, np.uint8))
    write_samples(tmp_path / "s.jsonl", [Sample(str(tmp_path / f"{n}.png"), f"cup {n}", BOX, BOX, 1.0, 200, 400)
                                         for n in range(6)])  # fmt: skip
    return tmp_path / "s.jsonl"


def interrupted(words: list[str], server, after: int) -> int:
    """Run a command, press Ctrl-C once so many questions came and the server falls silent, and give its status."""

    def press() -> None:
        while len(server.bodies) < after:
            time.sleep(0.01)
        server.pause = 60.0
        while len(server.bodies) <= after:
            time.sleep(0.01)
        time.sleep(0.3)
        signal.pthread_kill(main_thread, signal.SIGINT)

    main_thread = threading.main_thread().ident
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=press, daemon=True).start()
    try:
        return finish(lambda: main(words))
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_a_pilot_with_what_was_reached(file, tmp_path, capsys):
    out = tmp_path / "out.json"
    with running() as server:
        server.model = SAYS
        words = [
            "pilot",
            str(file),
            "--engine-url",
            server.url,
            "--family",
            "qwen3_vl",
            "--batch",
            "1",
            "--sample",
            "6",
        ]
        began = time.monotonic()
        assert interrupted([*words, "--json", str(out)], server, 2) == 130
        assert time.monotonic() - began < 60
    told = capsys.readouterr()
    assert "PART ONLY: interrupted after" in told.out and "of 6 images" in told.out and "Traceback" not in told.err
    assert 1 <= len(json.loads(out.read_text())["answers"]) < 6


class Silent(Engine):
    """Answers nothing until it is closed."""

    def __init__(self) -> None:
        self.asked, self.closed = threading.Event(), threading.Event()

    def generate(self, request):
        self.asked.set()
        self.closed.wait(60)
        raise EngineError("engine_closed", "the engine was closed")
        yield

    def abort(self, request_id):
        pass

    def health(self):
        return Health("ready")

    def close(self):
        self.closed.set()


def test_ctrl_c_does_not_wait_for_questions_that_are_under_way():
    engine, main_thread = Silent(), threading.main_thread().ident

    def press() -> None:
        engine.asked.wait(60)
        time.sleep(0.3)
        signal.pthread_kill(main_thread, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=press, daemon=True).start()
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            answerer(engine, 2)([Request(str(n), np.zeros((8, 8, 3), np.uint8), "cup") for n in range(4)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert engine.closed.is_set() and time.monotonic() - began < 40


@pytest.mark.parametrize("reached", [0, 1])
def test_ctrl_c_ends_scenes_with_what_was_reached(reached, tmp_path, monkeypatch, capsys):
    def broken_off(*given):
        query = Query(
            1, "tabletop", "visible", "attribute", "cup", False, False, 400, 200, BOX, BOX, ((BOX, BOX),), (BOX, BOX)
        )
        yield from [Asked([row_of(query, "found", BOX)], 0.1, 1)] * reached
        raise KeyboardInterrupt

    monkeypatch.setattr("egm_core.command.generated.asking.evaluate", broken_off)
    out = tmp_path / "out.json"
    assert finish(lambda: main(["scenes", "--scenes", "9", "--json", str(out)])) == 130
    told = capsys.readouterr()
    assert ("PART ONLY: interrupted after 1 of 9 scenes" in told.out) == bool(reached) and "interrupted" in told.err
    assert not reached or json.loads(out.read_text())["scenes"] == 1
