"""Proves curation in a closed loop, without a hub or a key: `make proof-data`.

Generated worlds are written as REFER's and COCO-Amodal's files and read back. A scripted teacher knows the truth, and
makes planted mistakes in other people's words. It also judges, as by default the teacher does, with the recorded
verdicts of a large language model. A scripted verifier errs in one judgement of ten. What `egm curate` keeps is trained
on for a few steps and evaluated. The table says what was caught and lost, whether the ledger and the server count the
same after kills, and whether the budget held. Status 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# It is no test, so that nobody has put the folder of tests onto the path.
sys.path.append(str(Path(__file__).resolve().parents[1]))

import proof_judge
import proof_ledger
import proof_photographs
import proof_rates
from proof_judge import RecordedJudge
from proof_models import LASTING, PASSING, TEACHER, VERIFIER, Teacher, Verifier, faults
from proof_server import PRICE_IN, PRICE_OUT, Books, Scripted
from proof_table import Found, markdown, write
from proof_wordings import GOOD, Planned, Wording, judged_alone, plan, read, some
from proof_worlds import World, make, world_of
from scripted_http import running_server

from egm_core.curate import provenance
from egm_core.curate.reason.judging import SUSPECTED
from egm_core.curate.reason.questions import Asking, questions
from egm_core.engines.base import Sampling
from egm_core.sample import Sample, read_samples

ROOT = Path(__file__).resolve().parents[2]
HALVES = ("open", "closed")
SERVER_SECONDS, TIMEOUT = 0.2, 6.0
TERMS = "none: a script"
PRICES = ["--price-in", str(PRICE_IN), "--price-out", str(PRICE_OUT)]
# Bounds in dollars for a question with an amodal box: the run ends at each, at the last while it judges, and goes on
# with the next.
BOUNDS, ENOUGH = (0.0008, 0.0018, 0.0042), 200.0
Run = Callable[[Sequence[str]], int]


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make proof-data", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "proof-data", help="folder, which is made anew")
    parser.add_argument("--halves", nargs="+", choices=HALVES, default=list(HALVES), help="halves of the wordings")
    parser.add_argument("--wordings", type=int, help="so many wordings of the closed half (default: all)")
    parser.add_argument("--opened", type=int, default=360, help="so many wordings of the open half, drawn at random")
    parser.add_argument("--scenes", type=int, default=240, help="generated scenes")
    parser.add_argument("--seed", type=int, default=7, help="seed of scenes and of all that is drawn")
    parser.add_argument("--kills", type=int, default=10, help="how often the command is killed")
    parser.add_argument("--faults", type=int, default=4, help="samples that meet each fault of a server")
    parser.add_argument("--steps", type=int, default=3, help="steps of training, 0 for none")
    beside = os.environ.get("EGM_REAL_DATA", ROOT.parent / "shared" / "data" / "real")
    parser.add_argument("--photographs", type=Path, default=Path(beside), help="folder of real photographs")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None, run: Run | None = None) -> int:
    """Run the proof; `run` runs a command by its words, a process of its own unless another is given."""
    options = arguments(given)
    out: Path = options.out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    log, found, began = out / "commands.log", Found(), time.monotonic()
    run = run or (lambda words: proof_ledger.run(words, log))

    def step(words: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {words}", file=sys.stderr, flush=True)

    step(f"rendering {options.scenes} scenes, and writing them as REFER's and COCO-Amodal's files")
    worlds, sources = _files(options, out, run, found)
    rng = random.Random(options.seed)
    wordings = [
        one
        for half in options.halves
        for one in some(read(half), options.opened if half == "open" else options.wordings, rng)
    ]
    plans = {task: plan(wordings, sources[task], worlds, task, rng) for task in sources}
    troubles = {task: _troubles(sources[task], worlds, plans[task], options.faults, rng) for task in sources}
    teacher = Teacher(worlds.values(), plans, troubles)
    with running_server(Scripted(TEACHER, teacher, SERVER_SECONDS)) as server:
        for task in sources:
            step(f"reasoning about {len(sources[task])} samples ({task} boxes), {len(plans[task])} of them planned")
            words = _reasoning(out, task, server.url)
            moments = _asked(words, out, task, server.books, options, run, log, found, len(sources[task]))
            _reconcile(out, task, sources[task], worlds, server.books, moments, found)
        _judge(out, sources, worlds, plans, troubles, wordings, teacher.judge, found)
        _budget(out, server.books, found)
    # What was counted is kept, whatever becomes of the steps that follow.
    write(found, out, {"date": "not at its end"})
    step("verifying expressions by a verifier that errs in one judgement of ten")
    _verify(out, worlds, options, run, found)
    if options.steps:
        step(f"training for {options.steps} steps, and evaluating on the written files")
        _train(out, options.steps, run, found)
    step("curating real photographs")
    proof_photographs.smoke(options.photographs, out / "photographs", run, found)
    seconds = time.monotonic() - began
    write(found, out, {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "seconds": round(seconds),
                       "command": f"proof.py {' '.join(given or sys.argv[1:])}".strip()})  # fmt: skip
    print(f"{markdown(found)}\n\n{seconds:.0f} s; also in {out / 'proof.md'} and {out / 'proof.json'}")
    for line in found.missed():
        print(f"MISSED {line}", file=sys.stderr)
    return 1 if found.missed() else 0


def _files(
    options: argparse.Namespace, out: Path, run: Run, found: Found
) -> tuple[dict[str, World], dict[str, list[Sample]]]:
    worlds, visible, amodal = make(out / "worlds", options.scenes, 1000 * options.seed)
    refer, cocoa = out / "refer", out / "cocoa" / "COCO_amodal_val2014.json"
    cocoa.parent.mkdir()
    statuses = [
        run(["data", "write", "refer", str(visible), "--out", str(refer), "--copy", "-q"]),
        run(["data", "convert", "refer", "--root", str(refer), "--images", str(refer),
             "--out", str(out / "visible.jsonl"), "-q"]),
        run(["data", "write", "coco-amodal", str(amodal), "--out", str(cocoa), "--copy", "-q"]),
        run(["data", "convert", "coco-amodal", "--file", str(cocoa), "--out", str(out / "amodal.jsonl"), "-q"]),
    ]  # fmt: skip
    if any(statuses):
        raise SystemExit(f"writing and reading the files ended with {statuses}; see {out / 'commands.log'}")
    back = {task: list(read_samples(out / f"{task}.jsonl")) for task in ("visible", "amodal")}
    for task, file in (("visible", visible), ("amodal", amodal)):
        before, after = sum(1 for _ in read_samples(file)), len(back[task])
        kind = "REFER" if task == "visible" else "COCO-Amodal"
        found.say(f"{kind} written and read back", f"{after} of {before} samples on {len(worlds)} images",
                  before == after)  # fmt: skip
    return worlds, back


def _troubles(
    samples: Sequence[Sample], worlds: dict[str, World], planned: dict[Any, Planned], each: int, rng: random.Random
) -> dict[Any, str]:
    """Give faults to samples without a planned wording, and passing ones to some with good words as well."""
    names = [(world_of(worlds, one).stem, one.sent) for one in samples]
    free = [name for name in names if name not in planned]
    good = [name for name in names if name in planned and planned[name].wording.kind == GOOD]
    rng.shuffle(free)
    rng.shuffle(good)
    passing = dict(zip(good, PASSING, strict=False)) if each else {}
    return faults(free, each) | passing


def _reasoning(out: Path, task: str, url: str) -> list[str]:
    folder = out / f"reason_{task}"
    folder.mkdir(exist_ok=True)
    return ["curate", "reason", str(out / f"{task}.jsonl"), "--out", str(folder / "reasoned.jsonl"), "--task", task,
            "--teacher-url", url, "--timeout", str(TIMEOUT), "--concurrency", "12", *PRICES,
            # One answer a sample: what was planted is what is counted.
            "--retries", "0", "--terms", TERMS, "-q"]  # fmt: skip


def _asked(
    words: list[str], out: Path, task: str, books: Books, options: argparse.Namespace, run: Run, log: Path,
    found: Found, count: int,
) -> list[proof_ledger.Moment]:  # fmt: skip
    """Ask: visible boxes through kills, amodal ones through two budgets that end; then both to the end."""
    ledger, moments = out / f"reason_{task}" / "answers.sqlite", []
    if task == "visible":
        books.bound[task] = ENOUGH
        killing = [*words, "--budget-usd", str(ENOUGH)]
        moments = proof_ledger.killed(killing, log, ledger, books, options.kills, options.seed)
        found.say("kills by SIGKILL", f"{len(moments)} of {options.kills}", len(moments) == options.kills)
    for bound in (*((each * count for each in BOUNDS) if task == "amodal" else ()), ENOUGH):
        books.bound[task] = bound
        status = run([*words, "--budget-usd", f"{bound:.6f}"])
        ends = bound == ENOUGH
        found.say(f"reasoning, {task}, budget ${bound:.4f}", f"status {status}, ${books.billed[task]:.4f} billed",
                  (status == 0) == ends)  # fmt: skip
    return moments


def _reconcile(
    out: Path, task: str, samples: Sequence[Sample], worlds: dict[str, World], books: Books,
    moments: list[proof_ledger.Moment], found: Found,
) -> None:  # fmt: skip
    asking = Asking(task, TEACHER, Sampling(max_tokens=800, temperature=0.7))  # type: ignore[arg-type]
    names = proof_judge.names_of(out / f"reason_{task}" / "answers.sqlite", samples, asking) | {
        one.job.key: (task, world_of(worlds, one.sample).stem, one.sample.sent) for one in questions(samples, asking)
    }
    ledger = proof_ledger.rows_of(out / f"reason_{task}" / "answers.sqlite")
    mine = [replace(one, requests=_of(one.requests, task)) for one in moments]
    end = proof_ledger.Moment(ledger, _of(books.copy(), task))
    sums, wrong = proof_ledger.reconciled(mine, end, lambda key: names.get(key, key), books.unused)
    found.figures[f"ledger_{task}"] = {**sums, "differences": wrong}
    told = (
        f"ledger {sums['ledger_questions']} questions, {sums['claims']} claims; server {sums['questions']} questions, "
        f"{sums['requests']} requests; {sums['cut_off_before_sending']} claims were cut off by a kill before sending, "
        f"{sums['unconnected']} had no connection, "
        f"{sums['under_way_at_kills']} questions were under way at kills; {len(wrong)} differences"
    )
    same = sums["claims"] == sums["requests"] + sums["cut_off_before_sending"] + sums["unconnected"]
    found.say(f"ledger against the server's own count, {task}", told, same and not wrong)


def _of(requests: Any, task: str) -> Any:
    return type(requests)({key: count for key, count in requests.items() if key[0] == task})


def _judge(
    out: Path, sources: dict[str, list[Sample]], worlds: dict[str, World], plans: dict[str, dict[Any, Planned]],
    troubles: dict[str, dict[Any, str]], wordings: Sequence[Wording], judge: RecordedJudge, found: Found,
) -> None:  # fmt: skip
    """Count what was caught and lost, by what is in the files and what is not."""
    rng = random.Random(0)
    fillers, lasting = [0, 0], [0, 0]
    for task, samples in sources.items():
        file = out / f"reason_{task}" / "reasoned.jsonl"
        kept = {(world_of(worlds, one).stem, one.sent) for one in read_samples(file)}
        suspected, condemned, unjudged = _suspected(file), *_condemned(file)
        for name in {(world_of(worlds, one).stem, one.sent) for one in samples}:
            planned, trouble = plans[task].get(name), troubles[task].get(name)
            if planned:
                rejected = name not in kept and name not in condemned
                _counted(planned.wording, (rejected, name in suspected, name in condemned), judge, found)
            elif trouble in LASTING:
                lasting[0] += name not in kept
                lasting[1] += 1
            else:
                fillers[0] += name not in kept
                fillers[1] += 1
        text = file.read_text("utf-8")
        found.say(f"error texts of the server among the samples, {task}", "none", "scripted" not in text)
        found.say(f"texts without a verdict, {task}", str(unjudged), not unjudged)
    for wording in wordings:
        if wording.own is not None:
            rejected, suspected_too = judged_alone(wording, rng)
            condemned_too = not rejected and judge.condemns(wording, suspected_too)
            _counted(wording, (rejected, suspected_too, condemned_too), judge, found)
    proof_judge.tell(judge, found)
    found.say("answers cut off, refused, filtered, empty or without their form", f"{lasting[0]} of {lasting[1]} caught",
              lasting[0] == lasting[1])  # fmt: skip
    found.say("the teacher's plain good words lost", f"{fillers[0]} of {fillers[1]}")


def _condemned(file: Path) -> tuple[set[tuple[str, str]], int]:
    """Give the pictures and phrases of what the judge condemned, and how many texts it said nothing of."""
    told = _failures(file)
    condemned = {_name(one["image"], one["sent"]) for one in told
                 if one["step"].startswith("judged:") and one["step"] != provenance.NO_VERDICT}  # fmt: skip
    return condemned, sum(one["step"] == provenance.NO_VERDICT for one in told)


def _suspected(file: Path) -> set[tuple[str, str]]:
    """Give the pictures and phrases of the texts that the rules suspected, whatever their judge said."""
    kept = zip(read_samples(file), provenance.read(provenance.beside(file)), strict=True)
    freed = {_name(one.image, one.sent) for one, origin in kept if origin.verdicts.get("suspected")}
    return freed | {_name(one["image"], one["sent"]) for one in _failures(file) if SUSPECTED in one["why"]}


def _failures(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in provenance.beside(file, "failures").read_text("utf-8").splitlines()]


def _name(image: str, sent: str) -> tuple[str, str]:
    return Path(image).stem.rsplit("-", 1)[0], sent


def _counted(wording: Wording, decided: tuple[bool, bool, bool], judge: RecordedJudge, found: Found) -> None:
    """Count a wording by who decided: the rules rejected it, they suspected it, the judge condemned it."""
    rejected, suspected, condemned = decided
    found.count(wording.half, [(wording.kind, rejected or condemned)])
    found.count(f"{wording.half}, rules alone", [(wording.kind, rejected or suspected)])
    if not rejected:
        judge.came(wording, suspected, condemned)


def _budget(out: Path, books: Books, found: Found) -> None:
    for task in ("visible", "amodal"):
        spent = sum(row.dollars for row in proof_ledger.rows_of(out / f"reason_{task}" / "answers.sqlite").values())
        found.say(
            f"budget, {task}",
            f"${books.billed[task]:.4f} billed, ${spent:.4f} in the ledger; at most {books.nearest[task]:.0%} of the "
            f"bound at any moment",
            not [line for line in books.over if line.startswith(task)] and spent >= books.billed[task] - 1e-9,
        )


def _verify(out: Path, worlds: dict[str, World], options: argparse.Namespace, run: Run, found: Found) -> None:
    reasoned = list(read_samples(out / "reason_visible" / "reasoned.jsonl"))
    source, kept = out / "expressions.jsonl", out / "verified.jsonl"
    expressed = proof_rates.write_expressions(reasoned, worlds, source, options.seed)
    verifier = Verifier(worlds.values())
    with running_server(Scripted(VERIFIER, verifier)) as server:
        status = run(
            ["curate", "verify", str(source), "--out", str(kept), "--kind", "both", "--family", "qwen3_vl",
             "--others", str(out / "visible.jsonl"), "--teacher-url", server.url, "--second-url", server.url,
             "--terms", TERMS, "-q"]
        )  # fmt: skip
    found.say("verification by both kinds", f"status {status}", status == 0)
    if status == 0:
        proof_rates.compare(expressed, kept, worlds, verifier, found)


def _train(out: Path, steps: int, run: Run, found: Found) -> None:
    files = [out / "verified.jsonl", out / "reason_amodal" / "reasoned.jsonl"]
    status = run(
        ["train", "sft", "--config", str(ROOT / "training" / "egm_tiny" / "sft.yaml"), "model=egm_tiny",
         f"data=[{','.join(map(str, files))}]", f"output={out / 'sft'}", f"max_steps={steps}", "batch=4", "processes=1",
         f"save_steps={steps}", "learning_rate=1.0e-5", "matrix_rate=1.0e-4"]
    )  # fmt: skip
    found.say("SFT on what was kept", f"status {status}, {steps} steps", status == 0)
    for kind, file in (("refer", out / "visible.jsonl"), ("amodal", out / "amodal.jsonl")):
        made = out / f"{kind}.json"
        status = run(["evaluate", kind, str(file), "--model", str(out / "sft" / "final"), "--sample", "24",
                      "--json", str(made), "-q"])  # fmt: skip
        asked = len(json.loads(made.read_text())["rows"]) if made.exists() else 0
        found.say(f"egm evaluate {kind}", f"status {status}, {asked} questions", status == 0)


if __name__ == "__main__":
    sys.exit(main())
