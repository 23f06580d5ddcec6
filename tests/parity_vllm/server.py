"""Starts vLLM's own server from the environment that `EGM_VLLM_PYTHON` names, and ends it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from egm_core.engines.openai import OpenAIEngine
from egm_core.supervise.process import free_port

PYTHON = os.environ.get("EGM_VLLM_PYTHON", "")
MARKS = [
    pytest.mark.skipif(not PYTHON, reason="EGM_VLLM_PYTHON names no environment with vLLM: run make test-vllm"),
    pytest.mark.timeout(900),
]
SITE = Path(__file__).parent / "site"
IN_ITS_ENVIRONMENT = {"PYTHONPATH": str(SITE), "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
CONTEXT = 1024
OPTIONS = f"--host 127.0.0.1 --dtype float32 --max-model-len {CONTEXT} --max-num-seqs 4 --enforce-eager"


@contextmanager
def serving(folder: Path, home: Path, *options: str, port: int = 0) -> Iterator[OpenAIEngine]:
    """Serve a model folder with further options of vLLM's; `home` takes its log. Gives an engine that is ready."""
    port = port or free_port()
    environment = {**os.environ, **IN_ITS_ENVIRONMENT}
    environment.pop("LD_LIBRARY_PATH", None)
    log = home / "server.log"
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--port", str(port)]
    began = time.monotonic()
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, *OPTIONS.split(), *options], env=environment, stdout=out, stderr=out, cwd=home
        )
    try:
        with OpenAIEngine(f"http://127.0.0.1:{port}") as engine:
            while engine.health().state != "ready":
                assert process.poll() is None, log.read_text()[-4000:]
                assert time.monotonic() - began < 600, log.read_text()[-4000:]
                time.sleep(1)
            print(f"\nvLLM ready after {time.monotonic() - began:.0f} s")
            yield engine
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
