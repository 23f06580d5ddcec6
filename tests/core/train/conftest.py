"""What the tests of training share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from multiprocessing.forkserver import ensure_running
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.train.run.helpers import helper_context


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
