"""Which check expressions have to pass, and the second model of the stricter one, as command lines name them."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from dataclasses import replace

from egm_core.arguments import Parser, address
from egm_core.command.curate.further import add_prices, in_place
from egm_core.curate.reason.again import Ask
from egm_core.curate.sets.expressing import Manner
from egm_core.curate.teacher import Teacher, arguments
from egm_core.curate.verify import hits
from egm_core.engines.base import Sampling
from egm_core.families import vendors

_log = logging.getLogger("egm.curate")
KINDS = ("fits", "hits", "both")
# The terms of a model that judges alone.
NO_TEXT = "none of its text is kept"
# Whoever puts jobs to a teacher under a title.
Put = Callable[[Teacher, str], Ask]


def add(own: Parser) -> None:
    """Add the options to a command's parser."""
    own.add_argument(
        "--kind", choices=KINDS, default="fits",
        help="which check expressions have to pass; wholly hidden objects can only pass fits",
    )  # fmt: skip
    group = own.add_argument_group("second model (kind hits)")
    group.add_argument("--second-url", type=address, nargs="+", default=[], metavar="URL", help="its servers")
    group.add_argument("--second-model", default="", metavar="NAME", help="its name there (default: the only one)")
    group.add_argument("--family", default=vendors.AUTO, choices=vendors.names(), help="how it writes boxes")
    group.add_argument("--second-max-tokens", type=arguments.TOKENS, default=1024, help="most tokens of its answer")
    add_prices(group, "second")


def second(options: argparse.Namespace, teacher: Teacher) -> Teacher:
    """Give the second model, which shares the teacher's ledger and budget: the teacher's own where none is named."""
    named = options.second_url or options.second_model
    if named and options.kind == "fits":
        options.own.error(
            "--second-url and --second-model: no second model is asked with --kind fits; say hits or both"
        )
    if not named:
        if options.kind != "fits":
            _log.warning(
                "no second model is named, so %s, the teacher's own, has to hit the objects, too: one of another "
                "family (--second-url) says more",
                teacher.model or "one model",
            )
        return teacher
    own = in_place(options, "second")
    # What was said of the teacher's terms is not true of another model.
    own.teacher_terms = NO_TEXT
    return arguments.teacher(own)


def fits(options: argparse.Namespace, teacher: Teacher, put: Put) -> tuple[Manner, Ask] | None:
    """Give who judges whether an expression fits, and how it is asked; None where that is not wanted."""
    if options.kind == "hits":
        return None
    return Manner(teacher.model, teacher.sampling, teacher.terms, retries=teacher.retries), put(
        teacher, "verifying (fits)"
    )


def hit(options: argparse.Namespace, other: Teacher, put: Put) -> tuple[hits.Second, Ask] | None:
    """Give who has to hit the object, and how it is asked; None where that is not wanted."""
    if options.kind == "fits":
        return None
    speaker = vendors.speaker(options.family, other.model)
    sampling = Sampling(options.second_max_tokens, speaker.temperature, seed=options.teacher_seed)
    asked = hits.Second(other.model, speaker, sampling, other.terms)
    # Its verdict is what it hits: nothing of that is asked anew.
    return asked, put(replace(other, read=hits.read, retries=0), "verifying (hits)")
