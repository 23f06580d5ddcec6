"""What the tests of data share: the command run in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from egm_core.command.data import main
from egm_core.sample import Sample, read_samples


@pytest.fixture
def convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[Sample]]:
    """Convert files in this process and give the samples; what was said stands in `said`."""

    def run(kind: str, *arguments: object, missing: float | None = 1.0) -> list[Sample]:
        out = tmp_path / "out" / "samples.jsonl"
        share = [] if missing is None else ["--missing-share", str(missing)]
        status = main(["convert", kind, *map(str, arguments), *share, "--out", str(out)])
        captured = capsys.readouterr()
        run.said = captured.out + captured.err  # type: ignore[attr-defined]
        assert status == 0, run.said  # type: ignore[attr-defined]
        return list(read_samples(out))

    return run


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Convert files that can't be used, and give what is said; no file may be written."""

    def run(kind: str, *arguments: object, missing: float = 1.0) -> str:
        out = tmp_path / "refused" / "samples.jsonl"
        share = ["--missing-share", str(missing)]
        assert main(["convert", kind, *map(str, arguments), *share, "--out", str(out)]) == 2
        assert not out.exists() and not list(out.parent.glob("*"))
        return capsys.readouterr().err

    return run
