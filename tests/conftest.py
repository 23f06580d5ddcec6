"""Fixtures that all tests share: tiny checkpoint folders of every family, made once and kept between runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# A busy machine is slow, not wrong.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

HERE = Path(__file__).parent


def _key() -> str:
    """Name the state of everything that the checkpoints are made from."""
    core = HERE.parent / "egm_core"
    sources = [
        HERE / "checkpoints.py",
        HERE / "listing.py",
        *sorted(core.glob("tiny/*.py")),
        *sorted(core.glob("families/*.py")),
    ]
    sources += sorted((HERE.parent / "requirements").glob("*.txt"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def _checkpoint(config: pytest.Config, name: str, make: Callable[[Path], Any]) -> Path:
    home = Path(config.cache.mkdir(f"checkpoints-{_key()}")) if config.cache else None
    if home is None:
        raise RuntimeError("the checkpoints need pytest's cache; run without -p no:cacheprovider")
    folder = home / name
    # The workers of one run want the same folders: the first makes it, the others wait.
    with open(home / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            draft = home / f"{name}.{os.getpid()}" / name
            draft.mkdir(parents=True)
            make(draft)
            (draft / "complete").touch()
            draft.rename(folder)
    return folder


@pytest.fixture(scope="session")
def random_qwen(pytestconfig: pytest.Config) -> Path:
    """A random Qwen3-VL model folder."""
    from checkpoints import make_qwen

    return _checkpoint(pytestconfig, "random_qwen", make_qwen)


@pytest.fixture(scope="session")
def random_internvl(pytestconfig: pytest.Config) -> Path:
    """A random InternVL-hf model folder."""
    from checkpoints import make_internvl

    return _checkpoint(pytestconfig, "random_internvl", make_internvl)


@pytest.fixture(scope="session")
def random_qwen3_5(pytestconfig: pytest.Config) -> Path:
    """A random Qwen3.5 model folder."""
    from checkpoints import make_qwen3_5

    return _checkpoint(pytestconfig, "random_qwen3_5", make_qwen3_5)


@pytest.fixture(scope="session")
def random_internvl3_5(pytestconfig: pytest.Config) -> Path:
    """A random InternVL3.5-hf model folder, with the published template, which has no switch."""
    from checkpoints import make_internvl3_5

    return _checkpoint(pytestconfig, "random_internvl3_5", make_internvl3_5)


@pytest.fixture(scope="session")
def memorising_qwen(pytestconfig: pytest.Config) -> Path:
    """A Qwen3-VL model folder that knows the answers of `checkpoints.memorised_answers` by heart."""
    from checkpoints import make_memorising

    return _checkpoint(pytestconfig, "memorising_qwen", make_memorising)


@pytest.fixture(scope="session")
def memorising_instruct(pytestconfig: pytest.Config) -> Path:
    """A memorising Qwen3-VL folder whose template opens no thought, and which has learnt none."""
    from checkpoints import make_memorising

    return _checkpoint(pytestconfig, "memorising_instruct", lambda folder: make_memorising(folder, ending="instruct"))


@pytest.fixture(scope="session")
def memorising_hybrid(pytestconfig: pytest.Config) -> Path:
    """A memorising Qwen3-VL folder whose template opens a thought unless `enable_thinking` is false."""
    from checkpoints import make_memorising

    return _checkpoint(pytestconfig, "memorising_hybrid", lambda folder: make_memorising(folder, ending="hybrid"))


@pytest.fixture(scope="session")
def memorising_internvl(pytestconfig: pytest.Config) -> Path:
    """An InternVL-hf model folder that knows the answers of `checkpoints.memorised_answers("internvl3")`."""
    from checkpoints import make_memorising

    return _checkpoint(pytestconfig, "memorising_internvl", lambda folder: make_memorising(folder, "internvl3"))


@pytest.fixture(scope="session")
def listing_qwen(pytestconfig: pytest.Config) -> Path:
    """A Qwen3-VL model folder that knows the answers of `listing.listed_answers` by heart."""
    from listing import make_listing

    return _checkpoint(pytestconfig, "listing_qwen", make_listing)


@pytest.fixture(scope="session")
def memorising_qwen3_5(pytestconfig: pytest.Config) -> Path:
    """A Qwen3.5 folder that knows the answers of `checkpoints.memorised_answers("qwen3_5")`, thought or not."""
    from checkpoints import make_memorising

    return _checkpoint(pytestconfig, "memorising_qwen3_5", lambda folder: make_memorising(folder, "qwen3_5"))


@pytest.fixture(scope="session")
def memorising_internvl3_5(pytestconfig: pytest.Config) -> Path:
    """An InternVL3.5-hf folder that knows the answers, thought or not, as its template's system prompt asks."""
    from checkpoints import make_memorising

    return _checkpoint(pytestconfig, "memorising_internvl3_5", lambda folder: make_memorising(folder, "internvl3_5"))


def _serve(folder: Path, *options: str) -> Iterator[str]:
    """Run the real server as a process of its own; gives its address, and checks that it ends cleanly."""
    command = [sys.executable, "-m", "egm_core.serve", "--model", str(folder), "--port", "0", "--threads", "1"]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    process = subprocess.Popen(
        [*command, "--exit-with-parent", *options], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        found = re.search(r"listening on (http://\S+)", process.stdout.readline())
        assert found, "the server did not say where it listens"
        yield found[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def serve_folder() -> Callable[[Path], Iterator[str]]:
    """Give the function that serves a folder: `for url in serve_folder(path)` runs its block once."""
    return _serve


@pytest.fixture(scope="session")
def served_qwen(memorising_qwen: Path) -> Iterator[str]:
    """Address of `egm_core.serve` with the memorising Qwen3-VL; it may still be loading."""
    yield from _serve(memorising_qwen)


@pytest.fixture(scope="session")
def served_internvl(memorising_internvl: Path) -> Iterator[str]:
    """Address of `egm_core.serve` with the memorising InternVL; it may still be loading."""
    yield from _serve(memorising_internvl)


@pytest.fixture(scope="session")
def noise() -> NDArray[np.uint8]:
    """A picture of noise (96, 128, 3), the same in every test."""
    return np.random.default_rng(7).integers(0, 256, (96, 128, 3), np.uint8)


@pytest.fixture(scope="session")
def photographs() -> Path:
    """Give the folder of real photographs, from EGM_REAL_DATA or beside the checkout; skip where there is none."""
    folder = Path(os.environ.get("EGM_REAL_DATA", HERE.parents[1] / "shared" / "data" / "real"))
    if not folder.is_dir():
        pytest.skip(f"no real photographs: set EGM_REAL_DATA ({folder} is not there)")
    return folder


@pytest.fixture(scope="session")
def formats() -> Path:
    """Give the folder of excerpts of the field's files, from EGM_FORMATS or beside the checkout; skip without one."""
    folder = Path(os.environ.get("EGM_FORMATS", HERE.parents[1] / "shared" / "data" / "formats"))
    if not folder.is_dir():
        pytest.skip(f"no excerpts of the field's files: set EGM_FORMATS ({folder} is not there)")
    return folder
