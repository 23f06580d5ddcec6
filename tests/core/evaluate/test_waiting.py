"""What a server may cost in attempts and in waiting: a budget holds, all failed is a failure, and Ctrl-C ends it."""

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

from egm_core.asking.job import Job
from egm_core.engines.openai import OpenAIEngine
from egm_core.evaluate.__main__ import main
from egm_core.evaluate.samples.side_by_side import SideBySide
from egm_core.sample import Sample, write_samples

sys.path.insert(0, str(Path(__file__).parents[1] / "engines"))
from misbehaving import running


@pytest.fixture
def file(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((200, 400, 3), 90, np.uint8))
    box = (20.0, 20.0, 120.0, 120.0)
    write_samples(tmp_path / "s.jsonl", [Sample(str(tmp_path / "a.png"), f"cup {n}", box, box, 1.0, 200, 400)
                                         for n in range(4)])  # fmt: skip
    return tmp_path / "s.jsonl"


def test_repeated_attempts_are_within_the_budget_and_an_empty_result_replaces_nothing(file, tmp_path, capsys):
    out = tmp_path / "out.json"
    with running() as server:
        server.model = "status:500"
        words = ["refer", str(file), "--engine-url", server.url, "--family", "qwen3_vl", "--json", str(out)]
        assert main([*words, "--budget", "requests=2"]) == 1
        assert len(server.bodies) == 2
        kept = json.loads(out.read_text())["rows"]
        assert [row["outcome"] for row in kept] == ["failed"] * len(kept)
        assert main([*words, "--budget", "requests=2"]) == 1
        assert len(server.bodies) == 2 and json.loads(out.read_text())["rows"] == kept
    told = capsys.readouterr().err
    assert "every question failed" in told and "nothing is written" in told


@pytest.mark.parametrize(
    ("model", "words"), [("retry:3600", "wants to be left alone"), ("silent", "has answered nothing for 0.3 s")]
)
def test_ctrl_c_ends_a_wait_for_a_server_at_once_and_the_wait_was_told(model, words, caplog):
    job = Job.about_picture("key", "a.png", "where is the mug?")
    with running() as server, OpenAIEngine(server.url, model) as engine:
        asker = SideBySide(engine, lambda reference: np.zeros((8, 8, 3), np.uint8), {"model": "m"}, 1, long_wait=0.3)
        main_thread = threading.main_thread().ident
        threading.Timer(1.0, lambda: signal.pthread_kill(main_thread, signal.SIGINT)).start()
        began = time.monotonic()
        # Workers of pytest-xdist let Ctrl-C pass.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                asker.ask(iter([job]), lambda answer: None)
        finally:
            signal.signal(signal.SIGINT, before)
        assert time.monotonic() - began < 60
    assert words in caplog.text and server.url.removesuffix("/v1") in caplog.text
