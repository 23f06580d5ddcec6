"""`egm bench`: how fast engines answer under load, beside the least time that the memory allows."""

from __future__ import annotations

import argparse
import os
import platform
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from egm_core import __version__, notes
from egm_core.arguments import CORES, COUNT, PIXELS, SEED, Parser, address, device, number, whole
from egm_core.bench import cells, chart, report
from egm_core.bench.contenders import AGAINST, against
from egm_core.bench.questions import Size
from egm_core.console import FAILED, attempt
from egm_core.engines.devices import DTYPES
from egm_core.engines.pictures import FORMATS
from egm_core.evaluate.waiting import add_wait
from egm_core.families import FAMILIES
from egm_core.models.folder import EMBEDDED
from egm_core.supervise import chosen as own_engine

AT_ONCE = whole(1, 64)
SIDES = (32, 8192)
# The paper measures one question at a time, on a random tenth of RefCOCO's; its settings are those of its Table 8.
PAPER_SHARE, PAPER_TOKENS = 0.1, 4096
SHAPES = ("tiny", "2b", "4b", "8b")
QUESTIONS = 32


def size(word: str) -> Size:
    """Take WIDTHxHEIGHT."""
    found = re.fullmatch(r"(\d+)x(\d+)", word)
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(SIDES[0] <= side <= SIDES[1] for side in sides):
        raise argparse.ArgumentTypeError(
            f"{word!r} must be WIDTHxHEIGHT, each {SIDES[0]} to {SIDES[1]}, such as 1280x720"
        )
    return sides


def parser(prog: str = "egm bench") -> Parser:
    """Make the parser of the command line."""
    made = Parser(
        prog=prog,
        description="Measure how fast an engine answers questions about images: first token, each further token,\n"
        "whole answer. Beside each stands the floor: the bytes that must be moved, over the bandwidth of the memory\n"
        "as measured in the same run. Stopped and begun again with the same --json, it goes on where it was.",
        example="--json out/bench.json --draw out/bench.svg\n"
        "--concurrency 1 8 64 --size 1280x720 --against generate vllm=~/vllm/bin/python\n"
        "--engine vllm --model models/EGM-8B --preset paper --samples refcoco.jsonl --json out/paper.json\n"
        "--shape 2b 4b 8b --concurrency 1 8",
    )
    load = made.add_argument_group("load")
    load.add_argument("--concurrency", type=AT_ONCE, nargs="+", default=[1], help="questions at once")
    load.add_argument(
        "--questions",
        type=COUNT,
        help=f"questions for each load, rounded up to two for each one at once (default: {QUESTIONS}, or the preset's)",
    )
    load.add_argument("--size", type=size, nargs="+", default=[], metavar="WxH",
                      help="stretch images to these sizes (default: as they are)")  # fmt: skip
    load.add_argument("--max-tokens", type=COUNT, help="longest answer (default: the model's own)")
    load.add_argument("--preset", choices=["paper"], default="",
                      help="the paper's: one at a time, a random tenth of --samples (default: none)")  # fmt: skip
    asked = made.add_argument_group("what is asked (default: generated scenes)")
    asked.add_argument("--samples", type=Path, nargs="+", default=[], help="sample files, as egm data convert writes")
    asked.add_argument("--images", type=Path, help="folder of their images (default: each file's own)")
    asked.add_argument("--share", type=number(0, 1, above=0), default=PAPER_SHARE,
                       help="part of the sample files' questions, where --questions names no number")  # fmt: skip
    asked.add_argument("--seed", type=SEED, default=42, help="which random part")
    asked.add_argument("--image", type=Path, metavar="FILE", help="ask about this image")
    asked.add_argument("--instruction", default="the red mug", help="what to ask about --image")
    model = made.add_argument_group("model")
    model.add_argument("--model", default="", help=f"model folder (default: {EMBEDDED}, or what the server has)")
    model.add_argument("--family", choices=sorted(FAMILIES), default="", help="the model's family (default: its own)")
    model.add_argument("--max-pixels", type=PIXELS, help="pixel budget (default: the model's own)")
    model.add_argument("--device", type=device, default="auto", help="auto, cpu, cuda or cuda:N, in this process")
    model.add_argument("--dtype", choices=DTYPES, default="auto", help="number format; auto is float32 on a CPU")
    model.add_argument("--threads", type=CORES, help="torch's threads (default: torch decides)")
    model.add_argument("--shape", choices=SHAPES, nargs="+", default=[],
                       help="measure random weights of these true shapes instead; all but tiny need a GPU")  # fmt: skip
    own_engine.add(made.add_argument_group("engine that is started for the run"))
    server = made.add_argument_group("model behind a server")
    server.add_argument("--engine-url", type=address, metavar="URL", help="ask this OpenAI-compatible server")
    server.add_argument("--engine-model", default="", help="the model's name there (default: its only one)")
    server.add_argument("--api-key-env", default="OPENAI_API_KEY", help="environment variable with the API key")
    server.add_argument("--key-in-clear", action="append", default=[], metavar="HOST",
                        help="host that may have the key without TLS")  # fmt: skip
    server.add_argument("--image-format", choices=FORMATS, default="jpeg", help="how images are sent")
    add_wait(server)
    made.add_argument("--against", type=against, nargs="+", default=[], metavar="NAME[=PYTHON]",
                      help=f"measure these as well, with the same questions: {', '.join(AGAINST)}")  # fmt: skip
    made.add_argument("--json", type=Path, help="keep the figures here, and go on from what is there")
    made.add_argument("--draw", type=Path, help="draw them here, .svg or .png")
    notes.add_options(made)
    return made


def main(arguments: list[str] | None = None, prog: str = "egm bench") -> int:
    """Run the command line and return its exit status."""
    own = parser(prog)
    options = own.parse_args(arguments)
    notes.begin(options)
    return attempt(lambda: _run(own, options))


def _run(own: Parser, options: argparse.Namespace) -> int:
    _check(own, options)
    bench = _bench(options)

    def keep(found: cells.Bench) -> None:
        if options.json:
            found.write(options.json)

    try:
        _measure(options, bench, keep)
    except KeyboardInterrupt:
        if bench.cells:
            print(report.text(bench))
        raise
    print(report.text(bench))
    if options.json:
        print(f"\nthe figures: {options.json}")
    if options.draw and any(cell.total for cell in bench.cells):
        chart.draw(bench.cells, options.draw)
        print(f"\nthe image: {options.draw}")
    return 0 if bench.cells and bench.cells[0].total else FAILED


def _measure(options: argparse.Namespace, bench: cells.Bench, keep: Callable[[cells.Bench], None]) -> None:
    if options.shape:
        from egm_core.bench.random_weights import shapes

        shapes.run(options.shape, options.concurrency, options.size, options.max_tokens or 100, bench, keep)
    else:
        from egm_core.bench.running import Asked, run

        questions = _questions(options)
        count = options.questions or (len(questions) if options.samples else QUESTIONS)
        asked = Asked(questions, count, options.size or [None], sorted(set(options.concurrency)),
                      options.max_tokens, options.max_pixels)  # fmt: skip
        run(options, asked, bench, keep)


def _check(own: Parser, options: argparse.Namespace) -> None:
    """Raise ValueError where options cannot hold together, before anything is loaded."""
    own_engine.check(options)
    for name, path, ends in (("--json", options.json, (".json",)), ("--draw", options.draw, (".svg", ".png"))):
        if path is not None and path.suffix not in ends:
            raise ValueError(f"{name} {path}: the file must end in {' or '.join(ends)}")
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    if options.image and options.samples:
        raise ValueError("--image asks about one image, and --samples about others; leave one of them away")
    if options.preset and options.concurrency != [1]:
        raise ValueError("--preset paper asks one question at a time; leave --concurrency or --preset away")
    if options.preset and not options.samples:
        raise ValueError(
            "--preset paper asks a random tenth of RefCOCO's questions; name sample files with --samples, as egm data"
            " convert refer writes them"
        )
    if options.shape:
        if options.engine or options.engine_url or options.against or options.samples or options.image:
            raise ValueError("--shape measures random weights in this process; leave engines, --against and files away")
        _check_shapes(options)


def _check_shapes(options: argparse.Namespace) -> None:
    import torch

    if options.shape != ["tiny"] and not torch.cuda.is_available():
        raise ValueError(
            f"--shape {' '.join(options.shape)} needs a GPU, and torch finds none; --shape tiny tries the path on a CPU"
        )


def _questions(options: argparse.Namespace) -> list[Any]:
    from egm_core.bench import questions

    if options.image:
        return questions.of_picture(options.image, options.instruction)
    if options.samples:
        return questions.of_samples(options.samples, options.images, options.questions, options.share, options.seed)
    return questions.of_scenes(min(options.questions or QUESTIONS, QUESTIONS))


def _bench(options: argparse.Namespace) -> cells.Bench:
    """Begin anew, or go on with what a file has of the same settings; ValueError where they are others."""
    model = "random weights" if options.shape else options.model or options.engine_model or EMBEDDED
    settings: dict[str, Any] = {
        "model": model, "preset": options.preset, "questions": options.questions, "max_tokens": _longest(options),
        "max_pixels": options.max_pixels, "samples": [str(path) for path in options.samples], "share": options.share,
        "seed": options.seed, "image": str(options.image or ""), "image_format": options.image_format,
        "instruction": options.instruction, "family": options.family, "device": options.device, "dtype": options.dtype,
        "engine_precision": options.engine_precision, "threads": options.threads,
    }  # fmt: skip
    if options.preset:
        options.max_tokens = settings["max_tokens"]
    what = str(options.image) if options.image else "sample files" if options.samples else "generated scenes"
    what = "images of noise" if options.shape else what
    about = {
        "version": __version__,
        "machine": f"{platform.machine()} {platform.system()}, {len(os.sched_getaffinity(0))} cores",
        "asked": f"{model}, {what}, greedy" + (", the paper's protocol" if options.preset else ""),
    }
    if options.json and options.json.exists():
        before = cells.read(options.json)
        if other := _unlike(before.settings, settings):
            raise ValueError(f"{options.json} has figures of another {other}; give another name, or the same settings")
        return cells.Bench(settings, {**before.about, **about}, before.cells)
    return cells.Bench(settings, about)


def _longest(options: argparse.Namespace) -> int | None:
    longest: int | None = options.max_tokens or (PAPER_TOKENS if options.preset else None)
    return longest


def _unlike(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    return next((name.replace("_", "-") for name in now if before.get(name) != now[name]), "")
