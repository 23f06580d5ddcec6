"""`egm evaluate refer` is killed in the middle, where no program can tidy up, and goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from sample_oracles import BOX, picture, sample, saying

from egm_core.sample import write_samples

sys.path.insert(0, str(Path(__file__).parents[2] / "engines"))
from misbehaving import running

ROOT = Path(__file__).parents[4]
QUESTIONS, SIDE_BY_SIDE, KILLED_AT, SLOW = 40, 3, 15, 0.04


def test_a_killed_run_loses_nothing_and_asks_again_only_what_was_under_way(tmp_path: Path) -> None:
    image = picture(tmp_path)
    write_samples(tmp_path / "s.jsonl", [sample(image, f"cup {n} of all") for n in range(QUESTIONS)])
    out = tmp_path / "out.json"
    with running() as server:
        server.model, server.pause = f"says:{saying(BOX)}", SLOW
        command = [sys.executable, "-m", "egm_core.evaluate", "refer", str(tmp_path / "s.jsonl"), "--json", str(out),
                   "--engine-url", server.url, "--family", "qwen3_vl", "--batch", str(SIDE_BY_SIDE), "-q"]  # fmt: skip
        process = subprocess.Popen(command, cwd=ROOT)
        while len(server.bodies) < KILLED_AT and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        process.wait()
        assert not out.exists()
        before = len(server.bodies)
        assert KILLED_AT <= before < QUESTIONS
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
        times = Counter(body["messages"][0]["content"][1]["text"] for body in server.bodies)
    rows = json.loads(out.read_text())["rows"]
    assert [row["outcome"] for row in rows] == ["found"] * QUESTIONS
    assert len(times) == QUESTIONS and max(times.values()) <= 2
    # One more may have been answered, and not yet written.
    assert sum(times.values()) - QUESTIONS <= SIDE_BY_SIDE + 1
