"""How fast `egm curate reason` asks, and what it needs: a server of this machine that answers at once.

    python tests/proof_data/proof_speed.py --samples 5000

The teacher also judges, as by default. Prints a row of a table: samples a second and a sample's processor time, the
largest memory, the ledger's size, and how long the same command takes when it has nothing to ask.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
from proof_judge import FAULTS
from proof_ledger import command, surroundings
from scripted_http import JsonHandler, LocalServer

from egm_core.sample import Sample, write_samples

EACH, WIDTH, HEIGHT = 10, 640, 480


class Handler(JsonHandler):
    """Answers at once, with good words."""

    def do_GET(self) -> None:
        self.reply(200, {"object": "list", "data": [{"id": "teacher", "object": "model"}]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if b"You check texts" in body:
            verdict = {"why": "It is well."} | dict.fromkeys(FAULTS, False)
            self.answer(json.dumps(verdict))
            return
        # Taking the pictures apart would be the server's time, and not that of the command.
        name = re.search(rb'the phrase is: \\"(.*?)\\"', body, re.IGNORECASE)
        phrase = name[1].decode() if name else "the mug"
        trace = f"Of all mugs on the table this is {phrase}. Its handle points away from the wall, and it stands apart."
        self.answer(json.dumps({"reasoning": trace, "object": "mug"}))

    def answer(self, text: str) -> None:
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 900, "completion_tokens": 60}
        self.reply(200, {"model": "teacher", "choices": [choice], "usage": usage})


def serve(pipe: Any) -> None:
    server = LocalServer(Handler)
    pipe.send(server.url)
    server.serve_forever()


def samples(folder: Path, count: int) -> Path:
    """Write samples on photographs' sizes, ten on each."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        picture = folder / f"{number // EACH}.jpg"
        if not picture.exists():
            coarse = rng.integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
            cv2.imwrite(str(picture), cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))
        left = 60.0 * (number % EACH)
        box = (left, 100.0, left + 50, 200.0)
        made.append(Sample(str(picture), f"mug number {number}", box, box, 1.0, HEIGHT, WIDTH, category="mug"))
    write_samples(folder / "in.jsonl", made)
    return folder / "in.jsonl"


def run(words: list[str]) -> tuple[float, float, float]:
    """Run a command; gives its seconds, its processor's seconds, and its largest memory in MB."""
    began = time.monotonic()
    pid = os.posix_spawn(sys.executable, command(*words), surroundings())
    _, status, used = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"the command ended with {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    """Measure, and print a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=32)
    given = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    url = ours.recv()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out = folder / "out.jsonl"
        words = ["curate", "reason", str(samples(folder, given.samples)), "--out", str(out), "--teacher-url", url,
                 "--concurrency", str(given.concurrency), "--price-in", "2", "--price-out", "8", "--budget-usd", "1000",
                 "--terms", "none: a script", "-q"]  # fmt: skip
        wall, cpu, memory = run(words)
        kept = sum(1 for _ in out.open())
        ledger = (folder / "answers.sqlite").stat().st_size / 1e6
        again, _, _ = run(words)
    server.terminate()
    print("| Samples | a second | ms of processor each | Largest memory | Ledger | The same command again |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(
        f"| {given.samples:,} ({kept:,} kept) | {given.samples / wall:.0f} | {1000 * cpu / given.samples:.1f} | "
        f"{memory:.0f} MB | {ledger:.1f} MB | {again:.0f} s |"
    )


if __name__ == "__main__":
    main()
