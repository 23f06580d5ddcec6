"""Keeps the folders tests/vllm and tests/verl, which pytest's path makes importable, from passing for the packages."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing.forkserver import ensure_running
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.train.run.helpers import helper_context

for name in ("vllm", "verl"):
    found = find_spec(name)
    if found is not None and found.origin is None:
        # TRL would take the folder for an installation of unknown version, and fail.
        sys.modules[name] = None  # type: ignore[assignment]


@pytest.fixture(scope="session", autouse=True)
def helpers() -> None:
    """Have one server for the helpers of all stages, which a process of one stage would not need."""
    helper_context("egm_core.train.pretrain.loader", "egm_core.train.sft.trainer")
    ensure_running()


@pytest.fixture
def brighter(tmp_path: Path) -> Callable[[Path], Path]:
    """Make other data of a file of samples: the same questions about pictures that are a little brighter."""

    def made(file: Path) -> Path:
        shutil.copytree(file.parent, tmp_path / "brighter")
        for picture in (tmp_path / "brighter").rglob("*.png"):
            cv2.imwrite(str(picture), cv2.add(cv2.imread(str(picture)), np.full(4, 3.0)))
        return tmp_path / "brighter" / file.name

    return made
