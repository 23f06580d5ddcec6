"""Several processes of one run on this machine: what each of them leaves behind."""

from __future__ import annotations

import atexit
import multiprocessing
from pathlib import Path

import pytest

from egm_core.train.run.processes import run_processes

torch = pytest.importorskip("torch")


def add_up(rank: int, folder: Path) -> None:
    """Add the ranks up among the processes, and write at the process's end whether it is still in the group."""
    from torch import distributed

    atexit.register(lambda: (folder / f"{rank}").write_text(str(distributed.is_initialized())))
    distributed.init_process_group("gloo")
    total = torch.tensor(rank + 1)
    distributed.all_reduce(total)
    assert int(total) == 3 and multiprocessing.parent_process() is not None


def test_a_process_leaves_the_group_before_it_ends(tmp_path: Path) -> None:
    run_processes(add_up, 2, tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"0": "False", "1": "False"}
