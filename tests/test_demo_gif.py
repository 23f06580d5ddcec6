"""The rule by which the README's moving picture is chosen, and what its captions say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def gif() -> ModuleType:
    """The tool, which is no module of a package."""
    pytest.importorskip("mujoco", reason="no MuJoCo to render with")
    spec = importlib.util.spec_from_file_location("demo_gif", ROOT / "tools/demo_gif.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo_gif"] = module
    spec.loader.exec_module(module)
    return module


def clip(side: float = 90, first: float = 1.0, hidden: int = 6, left: float = 200) -> list[Any]:
    """A clip of 50 frames with one square object, which something covers in the middle."""
    shares = [first] * 20 + [0.4] * hidden + [1.0] * (30 - hidden)
    box = (left, 150.0, left + side, 150 + side)
    return [SimpleNamespace(objects=[SimpleNamespace(amodal=box, visible_fraction=share)]) for share in shares]


@pytest.mark.parametrize(
    ("scenes", "suits"),
    [
        (clip(), True),
        (clip(side=36 / 224 * 480 + 1), True),
        (clip(side=36 / 224 * 480 - 1), False),
        (clip(first=0.5), False),
        (clip(hidden=2), False),
        (clip(left=2), False),
    ],
    ids=["well", "just large enough", "too small", "hidden at first", "never hidden", "at the edge"],
)
def test_the_object_is_large_seen_at_first_and_then_hidden(gif: ModuleType, scenes: list[Any], suits: bool) -> None:
    assert gif.suits(scenes, 0) is suits


def test_captions_say_which_boxes_are_right(gif: ModuleType) -> None:
    here, there = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0)
    moment = gif.Moment(None, (there, here), (here, here), (here, here))
    assert moment.verdicts() == ("wrong", "right", "right")
    assert gif.Moment(None, None, (here, None), (here, here)).verdicts() == ("", "right", "")
    assert gif.Moment(None, (here, here), (here, here), ((0.0,) * 4, here)).verdicts() == ("hidden", "hidden", "right")
    assert gif.Moment(None, (here, here), (here, here)).verdicts() == ("", "", "")


def test_each_target_has_its_boxes_with_its_name_and_a_row_of_verdicts(gif: ModuleType) -> None:
    scene = SimpleNamespace(image=np.full((480, 640, 3), 90, np.uint8))
    here, there, nowhere = (40.0, 60.0, 240.0, 200.0), (400.0, 300.0, 560.0, 420.0), (1.0, 1.0, 9.0, 9.0)
    one, other = (
        gif.Moment(scene, (here, here), (here, here), (here, here)),
        gif.Moment(scene, None, (there, None), None),
    )
    both = gif.picture([one, other], ["the mug", "the can"])
    alone = gif.picture([one], ["the mug"])
    assert both.shape[0] - alone.shape[0] == 22
    changed = (both[:360] != alone[:360]).any(2)
    rows, columns = np.nonzero(changed.any(1))[0], np.nonzero(changed.any(0))[0]
    # The second target's box and the plate above it, at 3/4 of the size, and nothing of the first one's.
    assert 190 < rows[0] < 223 and 313 <= rows[-1] <= 317
    assert 297 <= columns[0] <= 301 and 418 <= columns[-1] <= 422
    wrong = gif.strip([gif.Moment(scene, None, (nowhere, None), (here, here)), other], ["1:0 the mug", "2:0 the can"])
    right = gif.strip([gif.Moment(scene, None, (here, None), (here, here)), other], ["1:0 the mug", "2:0 the can"])
    told = np.nonzero((wrong != right).any((1, 2)))[0]
    assert told[0] > 25 and told[-1] < 50
