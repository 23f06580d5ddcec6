"""`egm evaluate pilot`: asks a server about a hundred pictures, and tells whether another frame fits better."""

from __future__ import annotations

import argparse
import heapq
import json
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tqdm import tqdm

from egm_core import notes
from egm_core.arguments import COUNT, SEED, Parser, address, whole
from egm_core.console import INTERRUPTED
from egm_core.engines import Engine, EngineError, Sampling, collect
from egm_core.evaluate.finite import finite
from egm_core.evaluate.pilot import PICTURES, Fit, Pilot, Reply, judge
from egm_core.evaluate.posing import pose
from egm_core.evaluate.reports.intervals import legend, missing, written
from egm_core.evaluate.waiting import add_wait, awaited
from egm_core.families import TASKS, Task
from egm_core.families.base import Speaker
from egm_core.families.vendors import AUTO, names, speaker
from egm_core.pictures.source import read_picture
from egm_core.sample import Sample, read_samples
from egm_core.supervise import chosen as own_engine

_log = logging.getLogger("egm.evaluate")


def add(commands: Any) -> None:
    """Add the command to the parsers of `egm evaluate`."""
    own = commands.add_parser(
        "pilot", help="say whether a server's answers are read in the right frame, from 100 images",
        example="out/val.jsonl --engine-url https://api.example.com/v1 --engine-model gemini-3-pro --family gemini",
    )  # fmt: skip
    own.add_argument("file", type=Path, help="sample file (.jsonl or .parquet) with visible or amodal truth")
    own.add_argument("--engine-url", type=address, help="OpenAI-compatible server")
    own_engine.add(own.add_argument_group("engine that is started for the run"))
    own.add_argument(
        "--engine-model",
        "--model",
        dest="model",
        default="",
        help="the model's name there (default: the only one that it lists)",
    )
    own.add_argument(
        "--family", choices=names(), default=AUTO, metavar="NAME", help=f"how to ask and to read: {', '.join(names())}"
    )
    own.add_argument("--task", choices=TASKS, default="visible", help="which box to ask for")
    own.add_argument(
        "--sample",
        "--pictures",
        dest="pictures",
        metavar="N",
        type=COUNT,
        default=PICTURES,
        help="images to ask about, one question each",
    )
    own.add_argument("--seed", type=SEED, default=0, help="which images and questions are drawn")
    own.add_argument(
        "--images", "--image-root", dest="image_root", type=Path, help="folder of the images (default: the file's own)"
    )
    own.add_argument("--max-tokens", type=whole(1, 1_000_000), default=4096, help="longest answer")
    own.add_argument("--batch", type=COUNT, default=8, help="questions asked at a time")
    own.add_argument("--api-key-env", default="OPENAI_API_KEY", metavar="NAME", help="variable that holds the API key")
    own.add_argument(
        "--key-in-clear", action="append", default=[], metavar="HOST", help="host that may have the key without TLS"
    )
    add_wait(own)
    own.add_argument("--json", type=Path, help="write the figures, the prompts and all answers here")
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> int:
    """Ask, judge and print; gives 1 where no answer could be read; raises EngineError, OSError or ValueError."""
    own: Parser = arguments.own
    if arguments.json and not arguments.json.parent.is_dir():
        own.error(f"--json: there is no folder {arguments.json.parent} to write into; make it first")
    if not arguments.engine_url and arguments.engine in ("", "url"):
        own.error("nobody is there to ask: name a server with --engine-url, or an engine to start with --engine")
    own_engine.check(arguments)
    drawn = draw(read_samples(arguments.file, arguments.image_root), arguments.task, arguments.pictures, arguments.seed)
    if not drawn:
        raise ValueError(f"{arguments.file} has no {arguments.task} question with a box; give samples with their truth")
    if len(drawn) < arguments.pictures:
        _log.warning(
            "%s has %d pictures with such a question, fewer than %d", arguments.file, len(drawn), arguments.pictures
        )
    from egm_core.engines.openai import OpenAIEngine

    with own_engine.chosen(arguments, arguments.model) as running:
        # A server that is started has one model, whatever it calls that.
        named = None if running else arguments.model or None
        with OpenAIEngine(
            arguments.engine_url, named, arguments.api_key_env, clear_hosts=arguments.key_in_clear
        ) as engine:
            health = awaited(engine, arguments.wait)
            model = arguments.model or health.model
            family = speaker(arguments.family, model)
            replies, failed = _asked(engine, family, drawn, arguments)
    reached = len(replies) + len(failed)
    if not replies and reached < len(drawn):
        raise KeyboardInterrupt
    if not replies:
        raise RuntimeError(f"no question was answered: {failed[0]}")
    pilot = judge(family, replies)
    if reached < len(drawn):
        print(f"PART ONLY: interrupted after {reached} of {len(drawn)} images\n")
    print(text(pilot, family, model, len(failed)))
    if failed:
        _log.warning("%d of %d questions failed, the first with: %s", len(failed), len(drawn), failed[0])
    if pilot.better is not None:
        _log.warning(
            "%s: the answers fit better when they are read as %s; do not trust scores of the family %s before you know "
            "why, and ask with the family of that frame", model, pilot.better.name, family.name,
        )  # fmt: skip
    if pilot.exchanged:
        _log.warning(
            "%s: %d of %d answers have exchanged corners (x2 < x1 or y2 < y1), which are read as if in order; corners "
            "that are told as x, y, width, height look alike", model, pilot.exchanged, pilot.answers,
        )  # fmt: skip
    if arguments.json:
        arguments.json.write_text(json.dumps(finite(_record(pilot, family, model, replies, failed)), indent=1))
        print(f"\nfigures and answers: {arguments.json}")
    if reached < len(drawn):
        _log.error("interrupted: the figures are of %d of %d images; run again for all", reached, len(drawn))
        return INTERRUPTED
    if pilot.readable:
        return 0
    _log.error(
        "nothing was readable: no frame finds a box in any of %d answers, so this says nothing about the frame. Look "
        "at them (--json FILE keeps them; the first begins with %r), then at --family, --max-tokens and the model",
        len(replies), replies[0].text[:80],
    )  # fmt: skip
    return 1


def draw(samples: Iterable[Sample], task: Task, count: int, seed: int) -> list[Sample]:
    """Draw questions with a box, one a picture, the same ones whatever the file's order."""
    best: dict[str, tuple[bytes, int, Sample]] = {}
    for number, sample in enumerate(samples):
        if sample.asks(task) and sample.truth(task) is not None:
            mark = blake2b(f"{seed}\0{sample.picture}\0{sample.sent}".encode(), digest_size=8).digest()
            mine = (mark, number, sample)
            best[sample.picture] = min(best.get(sample.picture, mine), mine)
    return [sample for _, _, sample in heapq.nsmallest(count, best.values())]


def _asked(
    engine: Engine, family: Speaker, drawn: list[Sample], arguments: argparse.Namespace
) -> tuple[list[Reply], list[str]]:
    """Ask all questions; gives the answers, and what went wrong with the others: after Ctrl-C, of what was reached."""
    sampling = Sampling(max_tokens=arguments.max_tokens, temperature=family.temperature)

    def one(numbered: tuple[int, Sample]) -> Reply | str:
        number, sample = numbered
        truth = sample.truth(arguments.task)
        try:
            image = read_picture(sample)
            request, _ = pose(family, image, sample.sent, arguments.task, str(number), sampling)
            said = collect(engine.generate(request)).text
        except (EngineError, OSError, ValueError) as error:
            return str(error)
        if truth is None:
            raise ValueError("only questions with a box are drawn")
        sent = (request.image.shape[1], request.image.shape[0])
        return Reply(sample.picture, sample.sent, said, truth, (image.shape[1], image.shape[0]), sent)

    pool = ThreadPoolExecutor(max_workers=arguments.batch)
    asked = [pool.submit(one, numbered) for numbered in enumerate(drawn)]
    try:
        for future in tqdm(as_completed(asked), total=len(drawn), unit="picture", desc="asking", disable=None):
            future.result()
        reached = asked
    except KeyboardInterrupt:
        reached = [future for future in asked if future.done()]
        # What is under way waits for the server, which may be silent.
        pool.shutdown(wait=False, cancel_futures=True)
        engine.close()
    told = [future.result() for future in reached]
    pool.shutdown()
    return [t for t in told if isinstance(t, Reply)], [t for t in told if isinstance(t, str)]


def text(pilot: Pilot, family: Speaker, model: str, failed: int) -> str:
    """Give the table: the family's reading first, then the other frames."""
    head = f"{model}, asked as {family.name}: {pilot.answers} answers, {failed} failed; Acc@0.5 is IoU > 0.5\n"
    width = max(len(fit.name) for fit in (pilot.own, *pilot.others))
    lines = [f"{'read as':<{width}}  {'Acc@0.5, %':>10}  {'mean IoU, %':>11}  {'readable':>8}  gain in points [95 %]"]
    lines += [_line(fit, width) for fit in (pilot.own, *pilot.others)]
    return "\n".join(
        [head, *lines, f"frames that read all answers alike are one line. {legend()}", "", _verdict(pilot)]
    )


def _verdict(pilot: Pilot) -> str:
    if not pilot.readable:
        return "nothing was readable: no frame finds a box in any answer"
    told = "no other frame fits better for sure" if pilot.better is None else f"fits better: {pilot.better.name}"
    if pilot.few:
        told = f"too few images to say for sure whether another frame fits better: {missing(pilot.few, 'images')}"
    if 2 * pilot.readable < pilot.answers:
        told += f"; but only {pilot.readable} of {pilot.answers} answers could be read, so this says little"
    return told


def _line(fit: Fit, width: int) -> str:
    gain = "as it is scored"
    if fit.gain is not None:
        gain = f"{100 * fit.gain.difference:+.1f} [{written(fit.gain, '+.1f', 100, between=', ')}]"
    return f"{fit.name:<{width}}  {100 * fit.accuracy:10.1f}  {100 * fit.mean_iou:11.1f}  {fit.read:8d}  {gain}"


def _record(pilot: Pilot, family: Speaker, model: str, replies: list[Reply], failed: list[str]) -> dict[str, Any]:
    return {
        "model": model, **family.about(), "own": asdict(pilot.own), "others": [asdict(fit) for fit in pilot.others],
        "better": pilot.better.name if pilot.better else None, "exchanged": pilot.exchanged, "failed": failed,
        "answers": [asdict(reply) for reply in replies],
    }  # fmt: skip
