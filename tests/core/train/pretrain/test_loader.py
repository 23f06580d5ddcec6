"""Which scenes a training process sees: the least seen first, none too often, also after a new start."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from egm_core.scenes.files import store
from egm_core.train.pretrain import loader
from egm_core.train.pretrain.loader import SceneLoader
from egm_core.train.pretrain.scene_pool import ScenePool, read_seen, write_seen


def row(seed: int, width: int = 224) -> dict[str, int]:
    return {"seed": seed, "width": width, "height": 168}


def drawn(pool: ScenePool, count: int, seed: int = 0) -> list[int]:
    rng = np.random.default_rng(seed)
    seeds: list[int] = []
    while len(seeds) < count and (size := pool.size(rng, 2)):
        seeds += [pool.draw(rng, size)["seed"] for _ in range(2)]
    return seeds


def test_every_scene_comes_once_before_any_comes_again_and_none_too_often() -> None:
    pool = ScenePool(views=3)
    for seed in range(10):
        pool.add(row(seed))
    seeds = drawn(pool, 100)
    assert [sorted(seeds[i : i + 10]) for i in (0, 10, 20)] == [list(range(10))] * 3
    assert len(seeds) == 30 and seeds[:10] != seeds[10:20]


def test_new_scenes_come_before_those_that_were_seen() -> None:
    pool = ScenePool(views=3)
    for seed in range(4):
        pool.add(row(seed))
    drawn(pool, 4)
    for seed in range(4, 8):
        pool.add(row(seed))
    assert sorted(drawn(pool, 4)) == [4, 5, 6, 7]


def test_without_a_limit_scenes_never_run_out() -> None:
    pool = ScenePool()
    pool.add(row(1))
    assert drawn(pool, 50) == [1] * 50


def test_sizes_come_as_often_as_is_left_of_them() -> None:
    pool = ScenePool(views=1)
    for seed in range(800):
        pool.add(row(seed, width=224 if seed < 600 else 192))
    share = Counter(seed < 600 for seed in drawn(pool, 400))[True] / 400
    assert 0.65 < share < 0.85


def test_a_later_start_goes_on_counting_also_when_shards_are_shared_out_anew(tmp_path: Path) -> None:
    write_seen(tmp_path / "seen-0.json", {1: 3, 2: 1})
    write_seen(tmp_path / "seen-1.json", {2: 2, 5: 1})
    seen = read_seen(tmp_path, "seen-*.json")
    assert seen == {1: 3, 2: 2, 5: 1} and read_seen(tmp_path, "other-*.json") == {}
    pool = ScenePool(3, seen)
    for seed in (1, 2, 3):
        pool.add(row(seed))
    assert Counter(drawn(pool, 100)) == {2: 1, 3: 3}


def test_waits_for_scenes_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.render(tmp_path, 0, 2, shard_scenes=2)
    scenes = SceneLoader(tmp_path, 0, 1, views=1)
    rng = np.random.default_rng(0)
    seen = {scenes.draw(rng, 1)[0].seed for _ in range(2)}
    assert seen == {0, 1}

    def rendered_meanwhile(seconds: float) -> None:
        store.render(tmp_path, 10, 1, shard_scenes=1)

    monkeypatch.setattr(loader.time, "sleep", rendered_meanwhile)
    assert scenes.draw(rng, 1)[0].seed == 10
    assert "were seen 1 times" in caplog.text
    assert scenes.seen == {0: 1, 1: 1, 10: 1}


def test_a_shard_that_is_finished_late_goes_to_one_process_and_moves_no_other(tmp_path: Path) -> None:
    """Several processes that render finish in any order; where two trainers owned a shard, it was seen too often."""
    for first in (4, 6):
        store.render(tmp_path, first, 2, shard_scenes=2)
    both = [SceneLoader(tmp_path, part, 2, views=1) for part in range(2)]
    store.render(tmp_path, 0, 2, shard_scenes=2)
    store.render(tmp_path, 8, 2, shard_scenes=2)
    rng = np.random.default_rng(0)
    seeds: list[int] = []
    for one in both:
        one.rescan()
        seeds += [one.draw(rng, 1)[0].seed for _ in range(4)]
    assert sorted(seeds) == [0, 1, 4, 5, 6, 7, 8, 9]
