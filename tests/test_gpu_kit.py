"""The kit for a lent GPU, tried on the CPU: what it runs, what it brings back, and that it goes on where it stopped."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KIT = ROOT / "tools/gpu"
LARGEST = 16 * 2**20


def call(
    script: Path, *arguments: str, out: Path, minutes: float = 5.0, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(script), *arguments],
        env={**os.environ, "OUT": str(out), "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        timeout=60 * minutes,
        check=False,
    )


def job(folder: Path) -> Path:
    """A job of three short stages, the second of which fails until a file is there."""
    script = folder / "job.sh"
    script.write_text(
        f"""#!/usr/bin/env bash
# Counts.
#
NAME=try
SELF={script}
source {KIT}/job.sh
stages() {{
  stage one bash -c 'echo one >> {folder}/made'
  stage two test -e {folder}/mended
  stage three bash -c 'echo three $(minutes 0.5) >> {folder}/made; sleep 300'
}}
export -f minutes left
export MINUTES WORK PYTHON
bring() {{ cp {folder}/made "$OUT/"; }}
main "$@"
"""
    )
    script.chmod(0o755)
    return script


def wait_for(path: Path, words: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if path.exists() and words in path.read_text():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} has no {words!r}: {path.read_text() if path.exists() else 'no file'}")


def test_a_job_runs_on_after_its_call_names_what_failed_and_goes_on(tmp_path: Path) -> None:
    script, out = job(tmp_path), tmp_path / "out"
    known = {"WORK": str(tmp_path / "work"), "MINUTES": "10"}
    assert "started" in call(script, "start", out=out, **known).stdout
    said = call(script, "status", out=out, WAIT="30", **known).stdout
    assert "stopped at: two" in said and "FAILED: two" in said
    assert (out / "made").read_text() == "one\n" and "FAILED" in (out / "log.txt").read_text()
    (tmp_path / "mended").touch()
    call(script, "start", out=out, **known)
    wait_for(tmp_path / "made", "three")
    assert (tmp_path / "made").read_text().splitlines()[:1] == ["one"], "a stage that was done was done again"
    assert 4.5 < float((tmp_path / "made").read_text().split()[-1]) <= 5.0
    assert "at work already" in call(script, "start", out=out, **known).stdout
    begun = time.monotonic()
    assert "at work: three" in call(script, "status", out=out, WAIT="1", **known).stdout
    assert time.monotonic() - begun < 20
    pid = int((tmp_path / "work/pid").read_text())
    assert os.getsid(pid) == pid != os.getsid(0), "it would end with the call that started it"
    call(script, "stop", out=out, **known)
    said = call(script, "status", out=out, WAIT="10", **known).stdout
    assert "stopped at: three" in said


def test_what_is_misspelt_is_named_and_begins_nothing(tmp_path: Path) -> None:
    script, out = job(tmp_path), tmp_path / "out"
    known = {"WORK": str(tmp_path / "work")}
    done = call(script, "start", "--dryrun", out=out, **known)
    assert done.returncode == 2 and "unknown: --dryrun" in done.stderr
    for name, value in (("MINUTES", "1.5"), ("MINUTES", "abc"), ("CORES", "0"), ("WAIT", "-1")):
        done = call(script, "start", out=out, **known, **{name: value})
        assert done.returncode == 2 and f"{name} is '{value}'; it must be a whole number" in done.stderr
    (tmp_path / "file").touch()
    done = call(script, "start", out=out, WORK=str(tmp_path / "file/work"))
    assert done.returncode == 2 and "WORK=FOLDER" in done.stderr and "started" not in done.stdout
    assert not (tmp_path / "made").exists()


def test_a_dry_run_counts_as_nothing_of_the_real_one(tmp_path: Path) -> None:
    script, out = job(tmp_path), tmp_path / "out"
    (tmp_path / "mended").touch()
    known = {"WORK": str(tmp_path / "work")}
    call(script, "start", "--dry-run", out=out, **known)
    wait_for(tmp_path / "work/stage", "three")
    call(script, "stop", out=out, **known)
    done = call(script, "start", out=out, **known)
    assert done.returncode == 2 and "holds a dry run" in done.stderr and "remove that folder" in done.stderr
    assert "started" in call(script, "start", "--dry-run", out=out, **known).stdout
    said = call(script, "stop", out=out, **known).stdout
    assert "stopped at" in said, "it was said to be at work after its end"


def test_a_process_that_got_the_number_of_an_ended_job_is_left_alone(tmp_path: Path) -> None:
    script, out, work = job(tmp_path), tmp_path / "out", tmp_path / "work"
    work.mkdir()
    (work / "stage").write_text("two\n")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        (work / "pid").write_text(f"{other.pid}\n")
        assert "stopped at: two" in call(script, "stop", out=out, WORK=str(work)).stdout
        assert other.poll() is None, "another's process was ended"
        other.terminate()


def test_folders_are_named_from_where_the_caller_stands(tmp_path: Path) -> None:
    script = job(tmp_path)
    (tmp_path / "made").touch()
    subprocess.run(
        [str(script), "collect"],
        env={**os.environ, "OUT": "some out", "WORK": "some work"},
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert (tmp_path / "some out/made").exists() and (tmp_path / "some work/log").exists()


def test_figures_of_every_stage_come_back(tmp_path: Path) -> None:
    names = ("sft/metrics.jsonl", "select/report.json", "rl/versions.json", "base.json")
    for name in names:
        (tmp_path / "work" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "work" / name).write_text("{}\n")
    call(KIT / "train.sh", "collect", out=tmp_path / "out", WORK=str(tmp_path / "work"))
    with tarfile.open(tmp_path / "out/figures.tar.xz") as figures:
        assert set(figures.getnames()) == {f"./{name}" for name in names}


def test_latency_is_measured_against_the_floor(tmp_path: Path) -> None:
    done = call(KIT / "latency.sh", "--dry-run", out=tmp_path / "out", WORK=str(tmp_path / "work"))
    tmp_path /= "out"
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "latency.json").read_text())["cells"]
    assert [(c["engine"], c["at_once"]) for c in found] == [
        (f"tiny, {way}", at_once) for at_once in (1, 2) for way in ("eager", "static cache")
    ]
    assert all(c["floor"]["token"] > 0 and c["token"]["median"] > 0 and c["first"]["median"] > 0 for c in found)
    assert "| tiny, static cache | 128x128 | 2 |" in (tmp_path / "latency.md").read_text()
    assert "other tokens" not in done.stderr, "the static cache gives other tokens than the growing one"
    assert {path.name for path in tmp_path.iterdir()} == {"latency.json", "latency.md", "latency.svg"}


def test_models_fit_what_comes_back() -> None:
    from egm_core.scenes.language.vocabulary import VOCABULARY
    from egm_core.tiny.architecture import build_config
    from egm_core.tiny.tokenizer import build_tokenizer
    from egm_core.train.configuration import load
    from egm_core.train.plan.architectures import on_meta
    from egm_core.train.pretrain.config import PretrainConfig

    shape = load(PretrainConfig, ROOT / "training/egm_small/pretrain.yaml").architecture
    model = on_meta(build_config(build_tokenizer(VOCABULARY), shape))
    assert 2 * sum(p.numel() for p in model.parameters()) < 12e6


@pytest.mark.long
def test_everything_runs_on_a_cpu_and_comes_back_small(tmp_path: Path) -> None:
    out, train = tmp_path / "out", tmp_path / "train"
    known = {"WORK": str(train), "CORES": "2"}
    assert "started" in call(KIT / "train.sh", "start", "--dry-run", out=out, **known).stdout
    done = call(KIT / "train.sh", "status", out=out, minutes=30, WAIT="1700", **known)
    assert "done: everything" in done.stdout, (out / "log.txt").read_text()[-3000:]
    names = {path.name for path in out.iterdir()}
    assert names == {"pretrain.tar", "mean_sft.tar", "mean_rl.tar", "figures.tar.xz", "machine.json", "log.txt"}
    assert all(path.stat().st_size < LARGEST for path in out.iterdir())
    with tarfile.open(out / "figures.tar.xz") as figures:
        assert {"./base.json", "./sft.json", "./rl.json", "./pretrain/metrics.jsonl"} <= set(figures.getnames())
    for name in ("pretrain", "mean_sft", "mean_rl"):
        with tarfile.open(out / f"{name}.tar") as model:
            assert {"./egm.json", "./model.safetensors", "./tokenizer.json"} <= set(model.getnames())
            assert not any("optimizer" in member or "state.pt" in member for member in model.getnames())

    known = {"WORK": str(tmp_path / "ablations"), "TRAINED": str(train), "CORES": "2"}
    call(KIT / "ablations.sh", "start", "--dry-run", out=tmp_path / "tables", **known)
    done = call(KIT / "ablations.sh", "status", out=tmp_path / "tables", minutes=30, WAIT="1700", **known)
    assert "done: everything" in done.stdout, (tmp_path / "tables/log.txt").read_text()[-3000:]
    tables = (tmp_path / "tables/tables.md").read_text()
    for words in ("Table 9", "Table 10", "Table 11", "**Ablations**", "learnable-4", "success-1-4"):
        assert words in tables
    assert len(list((tmp_path / "tables").iterdir())) <= 8
