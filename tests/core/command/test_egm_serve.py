"""`egm serve` with the embedded model: it says where it listens, answers, and ends on SIGTERM."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from command_line import PICTURE, ROOT, egm


def test_it_serves_what_egm_ground_asks() -> None:
    command = [sys.executable, "-m", "egm_core", "serve", "--port", "0", "--threads", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            found = re.fullmatch(r"egm serve: listening on (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
            assert found is not None
            wait_ready(found[1])
            done = egm("ground", PICTURE, "the red mug", "--engine-url", found[1], "--model", "egm_tiny")
            assert (done.returncode, done.stdout.split(":")[0]) == (0, "found"), done.stderr
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def wait_ready(url: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
                assert json.load(answer)["model"] == "egm_tiny"
                return
        except urllib.error.HTTPError as error:
            assert error.code == 503 and time.monotonic() < deadline
            time.sleep(0.2)


def test_a_model_that_is_not_there_ends_with_2_and_one_line() -> None:
    done = egm("serve", "--model", "/nowhere/model")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("egm serve: ") and "/nowhere/model" in done.stderr
