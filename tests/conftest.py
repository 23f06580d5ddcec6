"""Fixtures that all tests share: tiny checkpoint folders of both families, made once and kept between runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

HERE = Path(__file__).parent


def _key() -> str:
    """Name the state of everything that the checkpoints are made from."""
    core = HERE.parent / "egm_core"
    sources = [HERE / "checkpoints.py", *sorted(core.glob("tiny/*.py")), *sorted(core.glob("families/*.py"))]
    sources += sorted((HERE.parent / "requirements").glob("*.txt"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def _checkpoint(config: pytest.Config, name: str, make: Callable[[Path], Any]) -> Path:
    home = Path(config.cache.mkdir(f"checkpoints-{_key()}")) if config.cache else None
    if home is None:
        raise RuntimeError("the checkpoints need pytest's cache; run without -p no:cacheprovider")
    folder = home / name
    if not (folder / "complete").exists():
        draft = home / f"{name}.{os.getpid()}" / name
        draft.mkdir(parents=True)
        make(draft)
        (draft / "complete").touch()
        if not folder.exists():
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
def memorising_qwen(pytestconfig: pytest.Config) -> Path:
    """A Qwen3-VL model folder that knows the answers of `checkpoints.memorised_answers` by heart."""
    from checkpoints import make_memorising

    return _checkpoint(pytestconfig, "memorising_qwen", make_memorising)


@pytest.fixture(scope="session")
def noise() -> NDArray[np.uint8]:
    """A picture of noise (96, 128, 3), the same in every test."""
    return np.random.default_rng(7).integers(0, 256, (96, 128, 3), np.uint8)
