"""The second model that reads what the rules let pass, as command lines name it."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace

from egm_core.arguments import Parser, address, changed, number
from egm_core.command.curate.desk import Desk
from egm_core.command.curate.further import add_prices, in_place
from egm_core.curate.reason.judging import Judge
from egm_core.curate.teacher import Teacher, arguments
from egm_core.curate.teacher.terms import terms_of

_log = logging.getLogger("egm.curate")
# Of no use without a judge.
ABOUT = ("judge_terms", "judge_temperature", "judge_max_tokens", "judge_price_in", "judge_price_out")


def add(own: Parser) -> None:
    """Add the options to a command's parser."""
    group = own.add_argument_group("judge of what the rules let pass (default: none)")
    group.add_argument("--judge-model", default="", metavar="NAME", help="its name (default: its server's only one)")
    group.add_argument(
        "--judge-url", type=address, nargs="+", default=[], metavar="URL", help="its servers (default: the teacher's)"
    )
    group.add_argument(
        "--judge-terms", default="", metavar="WORDS",
        help="its licence or terms, for every record (default: what is known by its name)",
    )  # fmt: skip
    group.add_argument("--judge-temperature", type=number(0, 2), default=0.2, help="how freely its answers are drawn")
    group.add_argument("--judge-max-tokens", type=arguments.TOKENS, default=400, help="most tokens of its answer")
    add_prices(group, "judge")


def offered(options: argparse.Namespace) -> bool:
    """Tell whether a command has these options."""
    return hasattr(options, "judge_model")


def teacher(options: argparse.Namespace, asked: Teacher) -> Teacher | None:
    """Give who is asked as the judge, by the ledger and the budget of the teacher; None where nobody is named."""
    if not (options.judge_model or options.judge_url):
        if idle := changed(options.own, options, ABOUT):
            options.own.error(f"{idle} is about a judge; name it with --judge-model, or leave that away")
        return None
    own = in_place(options, "judge")
    own.temperature, own.max_tokens = options.judge_temperature, options.judge_max_tokens
    found = arguments.teacher(own)
    if found.model == asked.model:
        _log.warning("the judge is the teacher's own model: one of another family (--judge-model) says more")
    licence = options.judge_terms or f"{terms_of(found.model).words}; none of its text is trained on"
    return replace(found, told_terms=licence)


def judge(who: Teacher, desk: Desk) -> Judge:
    """Give the judge as the reasoning step asks it."""
    ask = desk.put(who, "judging")
    return Judge(who.model, who.sampling, ask, who.terms, who.retries, desk.settled, desk.dry)
