"""A sharded checkpoint of verl becomes a model folder, by verl's own merger, and a job reaches a Ray cluster."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verl.trainer", reason="verl is not installed here: run make test-verl")

import httpx
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import AutoModelForImageTextToText, AutoProcessor

from egm_core.models.folder import load_info
from egm_core.train.rl.config import RLConfig
from egm_core.train.rl.stage import rl
from egm_core.train.rl.verl.config import VerlConfig
from egm_core.train.rl.verl.launch import job_of

SHARDS = 2
# Ray asks for one; this is the test cluster's own.
TOKEN = secrets.token_hex(32)
ROOT = Path(__file__).parents[2]


def write_sharded(model: Any, processor: Any, actor: Path) -> None:
    """Write what verl's FSDP2 actor leaves: a file of DTensors per rank, and the model's configuration."""
    actor.mkdir(parents=True)
    (actor / "fsdp_config.json").write_text(json.dumps({"FSDP_version": 2, "world_size": SHARDS}))
    model.config.save_pretrained(actor / "huggingface")
    model.generation_config.save_pretrained(actor / "huggingface")
    processor.save_pretrained(actor / "huggingface")
    dist.init_process_group("fake", rank=0, world_size=SHARDS, store=FakeStore())
    try:
        mesh = init_device_mesh("cpu", (SHARDS,), mesh_dim_names=("fsdp",))
        for rank in range(SHARDS):
            state = {}
            for name, value in model.state_dict().items():
                pieces = [*torch.chunk(value, SHARDS), value[:0]]
                state[name] = DTensor.from_local(
                    pieces[rank].clone(),
                    mesh,
                    [Shard(0)],
                    run_check=False,
                    shape=value.shape,
                    stride=value.stride(),
                )
            torch.save(state, actor / f"model_world_size_{SHARDS}_rank_{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["tiny_qwen", "tiny_internvl"])
def test_a_sharded_checkpoint_is_exported(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    base: Path = request.getfixturevalue(name)
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    run = tmp_path / "run"
    write_sharded(model, AutoProcessor.from_pretrained(base), run / "verl" / "global_step_7" / "actor")
    (run / "verl" / "latest_checkpointed_iteration.txt").write_text("7")
    own = VerlConfig(action="export", python=sys.executable)
    final = rl(RLConfig(engine="verl", model=str(base), output=str(run), name="tuned", freeze_vision=False, verl=own))
    assert final == run / "final" and load_info(final).name == "tuned"
    written = AutoModelForImageTextToText.from_pretrained(final, dtype=torch.float32).state_dict()
    expected = model.state_dict()
    assert written.keys() == expected.keys()
    off = max(float((written[key] - expected[key].bfloat16().float()).abs().max()) for key in expected)
    print(f"{name}: largest difference to the bfloat16 of what was trained {off}")
    assert off == 0
    assert type(AutoProcessor.from_pretrained(final)).__name__ == type(AutoProcessor.from_pretrained(base)).__name__


def start_head(folder: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a Ray head of one node in a session of its own, and give it with its dashboard's address."""
    with socket.socket() as free, socket.socket() as other:
        free.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, gcs = free.getsockname()[1], other.getsockname()[1]
    # Only the mended torchvision is on its path, not this package.
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "parity_vllm" / "site")}
    command = f"ray start --head --block --node-ip-address=127.0.0.1 --port={gcs} --num-cpus=2 --disable-usage-stats"
    with log.open("w") as out:
        head = subprocess.Popen(
            [*command.split(), "--dashboard-host=127.0.0.1", f"--dashboard-port={port}", f"--temp-dir={folder}"],
            env=environment, stdout=out, stderr=out, cwd=log.parent, start_new_session=True,
        )  # fmt: skip
    return head, f"http://127.0.0.1:{port}"


def answers(head: subprocess.Popen[bytes], address: str) -> bool:
    """Wait until the dashboard answers; tells whether it did before the head ended."""
    while head.poll() is None:
        try:
            httpx.get(
                f"{address}/api/version", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5
            ).raise_for_status()
            return True
        except httpx.HTTPError:
            time.sleep(1)
    return False


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a Ray cluster; Ray gives its node half a minute to start, which a busy machine may miss."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    # Ray's sockets lie below its folder, and their paths may only be short.
    folder = Path(f"/tmp/egm-ray-{os.getpid()}")
    for attempt in range(3):
        log = tmp_path / f"ray-{attempt}.log"
        head, address = start_head(folder, log)
        try:
            if answers(head, address):
                yield address
                return
        finally:
            if head.poll() is None:
                head.send_signal(signal.SIGTERM)
                head.wait(timeout=300)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(head.pid, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)
    pytest.fail(f"Ray did not start: {log.read_text()[-2000:]}")


@pytest.mark.timeout(3600)
def test_a_job_is_submitted_with_our_package(cluster: str, tmp_path: Path) -> None:
    """The submitted command composes on the cluster, and finds our reward there though it isn't installed."""
    own = VerlConfig(action="submit", address=cluster, python=sys.executable)
    config = RLConfig(engine="verl", output=str(tmp_path / "run"), freeze_vision=False, name="job", verl=own)
    job = job_of(config, "internvl3", Path("/models/sft"), tmp_path / "train.parquet")
    composed = subprocess.run(
        [*job.arguments, "--cfg", "job", "--resolve"], capture_output=True, text=True, timeout=3000, check=False
    )
    assert composed.returncode == 0, composed.stdout[-3000:] + composed.stderr[-3000:]
    assert "train_batch_size: 256" in composed.stdout and "path: pkg://egm_core.reward" in composed.stdout
    start = job.arguments.index("--") + 1
    code = "import os, egm_core.reward as r; print('FOUND', r.__file__, os.environ['VERL_USE_EXTERNAL_MODULES'])"
    found = subprocess.run(
        [*job.arguments[:start], sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-3000:]
    (line,) = [line for line in found.stdout.splitlines() if "FOUND" in line and "egm_core/reward.py" in line]
    assert str(ROOT) not in line and line.endswith("egm_core.train.rl.verl.internvl")
