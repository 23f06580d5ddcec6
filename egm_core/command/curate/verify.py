"""`egm curate verify FILE`: whether expressions mean their object and no other, by either kind of check or both."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import address
from egm_core.console import FAILED
from egm_core.curate.teacher import Teacher, arguments
from egm_core.families import vendors

_log = logging.getLogger("egm.curate")
KINDS = ("fits", "hits", "both")


def add(commands: Any) -> None:
    """Add the command."""
    own = commands.add_parser(
        "verify",
        help="check whether expressions mean their object and no other",
        description="Check expressions. Kind fits, the paper's: the teacher sees the image with the box, and judges\n"
        "whether the expression is true of the object and of it alone. Kind hits: a second model on the plain image,\n"
        "asked twice, must hit the visible box at an IoU of 0.5 and no other annotated object better; what it hits\n"
        "once only goes into X.disagreements.jsonl. Wholly hidden objects can only pass the first kind.\n"
        "The rates of both are printed, and in X.rates.json.",
        example="expressed.jsonl --out verified.jsonl --kind both --teacher-url http://localhost:8000 "
        "--second-url http://localhost:8001\n"
        "expressed.jsonl --out verified.jsonl --teacher-model gpt-4.1 --dry-run",
    )
    own.add_argument("file", type=Path, help="sample file with expressions, .jsonl or .parquet")
    own.add_argument("--out", type=Path, required=True, help="sample file to write, .jsonl or .parquet")
    own.add_argument("--kind", choices=KINDS, default="fits", help="which check has to be passed")
    own.add_argument("--others", type=Path, metavar="FILE", help="sample file of other objects of these images")
    group = own.add_argument_group("second model (kind hits)")
    group.add_argument("--second-url", type=address, nargs="+", default=[], metavar="URL", help="its servers")
    group.add_argument("--second-model", default="", metavar="NAME", help="its name there, if there are several")
    group.add_argument("--family", default=vendors.AUTO, choices=vendors.names(), help="how it writes boxes")
    group.add_argument("--second-max-tokens", type=arguments.TOKENS, default=1024, help="most tokens of its answer")
    group.add_argument("--second-price-in", type=arguments.DOLLARS, metavar="X", help="dollars a million tokens in")
    group.add_argument("--second-price-out", type=arguments.DOLLARS, metavar="X", help="dollars a million tokens out")
    arguments.add(own)
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Pictures and clients are loaded here, and --help needs none of them.
    from egm_core.curate.sets.expressing import Manner
    from egm_core.curate.teacher import ask
    from egm_core.curate.verify import hits
    from egm_core.curate.verify.rates import table
    from egm_core.curate.verify.run import verified
    from egm_core.engines.base import Sampling

    arguments.check_files(options.file, options.out)
    ledger = arguments.ledger_of(options, options.out)
    teacher = _teacher(options)
    fits = None
    if options.kind != "hits":
        manner = Manner(teacher.model, teacher.sampling, teacher.terms)
        fits = manner, lambda jobs: ask(jobs, teacher, ledger, "verifying (fits)")
    second = None
    if options.kind != "fits":
        other = replace(_second(options, teacher), read=hits.read)
        speaker = vendors.speaker(options.family, other.model)
        sampling = Sampling(options.second_max_tokens, speaker.temperature, seed=options.teacher_seed)
        asked = hits.Second(other.model, speaker, sampling)
        second = asked, lambda jobs: ask(jobs, other, ledger, "verifying (hits)")
    found = verified(options.file, options.out, fits, second, options.others, teacher.terms)
    print(table(found))
    print(f"\n{found['kept']:,} of {found['samples']:,} samples -> {options.out}")
    return 0 if found["kept"] else FAILED


def _teacher(options: argparse.Namespace) -> Teacher:
    if options.kind == "hits" and (options.second_url or options.second_model) and not options.teacher_url:
        # Then there is one model only, the second.
        options.teacher_url, options.teacher_model = options.second_url, options.second_model
        options.price_in, options.price_out = options.second_price_in, options.second_price_out
    return arguments.teacher(options)


def _second(options: argparse.Namespace, teacher: Teacher) -> Teacher:
    """Give the second model; it shares the teacher's ledger and budget."""
    if not (options.second_url or options.second_model):
        if options.kind == "both":
            _log.warning("one model makes both checks: a second one of another family (--second-url) says more")
        return teacher
    own = argparse.Namespace(**vars(options))
    own.teacher_url = options.second_url or options.teacher_url
    own.teacher_model = options.second_model
    own.price_in, own.price_out = options.second_price_in, options.second_price_out
    return arguments.teacher(own)
