"""The server as a process: what it refuses to start with, whom it opens to, and its end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from egm_core.serve.__main__ import main

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("model", ["/nowhere/model", "someone/model"])
def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str], model: str) -> None:
    assert main(["--model", model]) == 2
    assert model in capsys.readouterr().err


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str], url: str, memorising_qwen: Path) -> None:
    port = url.rsplit(":", 1)[1]
    assert main(["--model", str(memorising_qwen), "--port", port]) == 2
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


def test_a_signal_while_it_loads_ends_it_cleanly(memorising_qwen: Path) -> None:
    command = [sys.executable, "-m", "egm_core.serve", "--port", "0", "--model", str(memorising_qwen)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        health = httpx.get(f"{url}/health", timeout=60)
        assert (health.status_code, health.json()["state"]) == (503, "starting")
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()


def test_a_client_that_hangs_up_while_it_sends_leaves_no_traceback(memorising_qwen: Path) -> None:
    command = [sys.executable, "-m", "egm_core.serve", "--port", "0", "--model", str(memorising_qwen)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        deadline = time.monotonic() + 60
        while httpx.get(f"{url}/health", timeout=60).status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1]))) as sent:
                head = "POST /v1/chat/completions HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\n\r\n"
                sent.sendall(head.encode() + b"x" * 1000)
                # The server reads the body by now, and waits for the rest.
                time.sleep(0.2)
        while (state := httpx.get(f"{url}/health").json())["open"] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert state["open"] == 0
        process.terminate()
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in said, said


def test_no_orphan_survives_its_parent(memorising_qwen: Path) -> None:
    program = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-m', 'egm_core.serve', '--exit-with-parent', '--port', '0',"
        f" '--model', {str(memorising_qwen)!r}], stdout=subprocess.PIPE, text=True)\n"
        "print(p.pid, p.stdout.readline().strip(), flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    pid = int(done.stdout.split()[0])
    assert "listening on http://127.0.0.1:" in done.stdout
    deadline = time.monotonic() + 40
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()


def test_it_opens_to_other_machines_only_with_a_key_or_when_told(
    memorising_qwen: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    start = ["--model", str(memorising_qwen), "--port", url.rsplit(":", 1)[1]]
    assert main([*start, "--host", "0.0.0.0"]) == 2
    assert "--api-key-env" in capsys.readouterr().err
    assert main([*start, "--api-key-env", "EGM_TEST_NO_KEY"]) == 2
    assert "EGM_TEST_NO_KEY is empty" in capsys.readouterr().err
    monkeypatch.setenv("EGM_TEST_KEY", "sesame")
    for allowed in (["--api-key-env", "EGM_TEST_KEY"], ["--without-key"]):
        # The port is taken, so that it gets as far as listening and no further.
        assert main([*start, "--host", "0.0.0.0", *allowed]) == 2
        assert "is the port taken" in capsys.readouterr().err
