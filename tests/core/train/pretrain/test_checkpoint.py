"""Checkpoints: a torn or failed write never costs the previous one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from egm_core.train.pretrain import checkpoint


def test_the_newest_whole_checkpoint_is_read_and_old_ones_are_dropped(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, {"x": torch.tensor(step)})
    assert [p.name for p in checkpoint.whole(tmp_path)] == ["step-00000002", "step-00000003"]
    loaded = checkpoint.load_last(tmp_path)
    assert loaded is not None and loaded[0] == 3 and int(loaded[1]["x"]) == 3


def test_a_torn_file_is_passed_over(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 1, {"x": torch.zeros(3)})
    newest = checkpoint.save(tmp_path, 2, {"x": torch.ones(3)})
    state = newest / checkpoint.STATE
    state.write_bytes(state.read_bytes()[:-7])
    loaded = checkpoint.load_last(tmp_path)
    assert loaded is not None and loaded[0] == 1


def test_a_failed_write_leaves_the_previous_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path, 1, {"x": torch.zeros(3)})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(tmp_path, 2, {"x": torch.ones(3)})
    loaded = checkpoint.load_last(tmp_path)
    assert loaded is not None and loaded[0] == 1
    assert not list(tmp_path.glob(".partial*"))


def test_a_checkpoint_that_cannot_be_read_is_named_and_costs_no_earlier_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, {"x": torch.tensor(step)}, keep=3)
    for step in (2, 3):
        state = tmp_path / f"step-{step:08d}" / checkpoint.STATE
        state.write_bytes(bytes(state.stat().st_size))
    loaded = checkpoint.load_last(tmp_path)
    assert loaded is not None and loaded[0] == 1 and "step-00000003 is damaged" in caplog.text
    checkpoint.save(tmp_path, 1, {"x": torch.tensor(7)})
    assert [p.name for p in checkpoint.whole(tmp_path)] == ["step-00000001"]
    state = tmp_path / "step-00000001" / checkpoint.STATE
    state.write_bytes(b"")
    with pytest.raises(OSError, match="remove its step-"):
        checkpoint.load_last(tmp_path)
