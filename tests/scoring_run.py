"""A scoring run that is killed in the middle and goes on, for the tests with and without Ray.

Two scripted servers, processes of their own, answer from the prompt alone; the truth of each sample is laid beside
the box that they will answer, so that its IoU is known.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import yaml

ROOT = Path(__file__).parents[1]
SIZE = 1000
# How far the true box lies beside the answer's, which is 100 wide, and the IoU that this makes.
SHIFTS = {0: 1.0, 20: 80 / 120, 50: 50 / 150, 80: 20 / 180}
sys.path.append(str(ROOT / "tests/ros"))

from scripted_engine import box_of  # noqa: E402

from egm_core.asking.store import StoreError, read_answers  # noqa: E402


@contextmanager
def servers(count: int = 2, **script: Any) -> Iterator[list[str]]:
    """Run scripted servers and give their addresses."""
    command = [sys.executable, str(ROOT / "tests/ros/scripted_engine.py"), "--port", "0"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    try:
        urls = []
        for process in processes:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, "the server did not say where it listens"
            urls.append(found[0])
        for url in urls:
            tell(url, logprob=None, **script)
        yield urls
    finally:
        for process in processes:
            process.kill()
            process.wait()


def tell(url: str, **script: Any) -> None:
    httpx.post(f"{url}/script", json=script, timeout=60, trust_env=False).raise_for_status()


def asked(url: str) -> int:
    return int(httpx.get(f"{url}/stats", timeout=60, trust_env=False).json()["asked"])


def write_data(folder: Path, count: int) -> Path:
    """Write samples of one picture; every fifth is absent, the others lie beside what will be answered."""
    cv2.imwrite(str(folder / "a.png"), np.zeros((SIZE, SIZE, 3), np.uint8))
    with open(folder / "data.jsonl", "w", encoding="utf-8") as file:
        for i in range(count):
            x0, y0, x1, y1 = box_of(f"thing {i}")
            shift = list(SHIFTS)[i % 4]
            box = None if i % 5 == 4 else [x0 + shift, y0, x1 + shift, y1]
            record = {"image": "a.png", "sent": f"thing {i}", "bbox": box, "height": SIZE, "width": SIZE}
            file.write(json.dumps(record) + "\n")
    return folder / "data.jsonl"


def expected(count: int) -> Counter[float]:
    """Count the values that the samples' scores must have: their IoU, or 0 for the absents, which get a box."""
    return Counter(0.0 if i % 5 == 4 else round(SHIFTS[list(SHIFTS)[i % 4]], 6) for i in range(count))


def write_config(folder: Path, urls: list[str], **changes: Any) -> Path:
    settings = {
        "learner": urls, "learner_family": "qwen3_vl", "reference": "truth", "data": [str(folder / "data.jsonl")],
        "output": str(folder / "run"), "tasks": ["visible"], **changes,
    }  # fmt: skip
    (folder / "select.yaml").write_text(yaml.safe_dump(settings))
    return folder / "select.yaml"


def start(config: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "egm_core.train", "select", "--config", str(config)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def scored(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Read the keys and scores of a run, also while it goes on."""
    file = folder / "run/learner/answers.sqlite"
    try:
        return [(answer.key, payload) for answer, payload in read_answers(file) if not answer.error]
    except StoreError:
        # It is not there yet, or empty.
        return []


def killed_and_resumed(folder: Path, count: int, lost_at_most: int, **settings: Any) -> dict[str, float]:
    """Score samples, `kill -9` in the middle, go on, and check that nothing is lost or twice.

    `lost_at_most` is how many questions may be under way at the kill, which are asked again. Gives figures.
    """
    write_data(folder, count)
    with servers(2) as urls:
        config = write_config(folder, urls, **settings)
        began = time.monotonic()
        process = start(config)
        while len(scored(folder)) < count // 2:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed = time.monotonic()
        at_kill = scored(folder)
        assert count // 2 <= len(at_kill) < count, "the kill came too late to prove anything"
        process = start(config)
        _, complaints = process.communicate()
        assert process.returncode == 0, complaints
        ended = time.monotonic()
        each = [asked(url) for url in urls]
    found = scored(folder)
    assert len(found) == len({key for key, _ in found}) == count
    assert {key for key, _ in at_kill} <= {key for key, _ in found}
    assert Counter(0.0 if s["iou"] is None else round(s["iou"], 6) for _, s in found) == expected(count)
    assert count <= sum(each) <= count + lost_at_most, f"{each} were asked for {count}"
    assert min(each) > count // 10, f"the servers were asked {each}"
    report = json.loads((folder / "run/report.json").read_text())["tasks"]["visible"]
    assert report["scored"] == count
    assert report["learnable"]["all"] == sum(n for value, n in expected(count).items() if value < 0.5)
    return {
        "at kill": len(at_kill), "asked": sum(each), "first": killed - began, "second": ended - killed,
    }  # fmt: skip
