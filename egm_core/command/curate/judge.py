"""The model that reads what no rule has rejected, as command lines name it: the teacher's own unless told otherwise."""

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
TEMPERATURE, MAX_TOKENS = 0.2, 400
# Of no use without a judge, and of no use with the teacher's own model, whose prices are known.
PRICES = ("judge_price_in", "judge_price_out")
ABOUT = ("judge_model", "judge_url", "judge_terms", "judge_temperature", "judge_max_tokens", "strict_rules", *PRICES)


def add(own: Parser) -> None:
    """Add the options to a command's parser."""
    group = own.add_argument_group("judge of the texts (default: the teacher's own model)")
    group.add_argument(
        "--no-judge", action="store_true",
        help="ask no judge, which saves a question about each text: of 240 mistakes that others worded the rules alone "
        "caught 169 (70%%), and with a large model as judge 238",
    )  # fmt: skip
    group.add_argument(
        "--strict-rules", action="store_true",
        help="reject what the rules merely suspect, as without a judge (default: the judge decides, which needs one "
        "that reads well)",
    )  # fmt: skip
    group.add_argument("--judge-model", default="", metavar="NAME", help="its name (default: its server's only one)")
    group.add_argument(
        "--judge-url", type=address, nargs="+", default=[], metavar="URL", help="its servers (default: the teacher's)"
    )
    group.add_argument(
        "--judge-terms", default="", metavar="WORDS",
        help="its licence or terms, for every record (default: what is known by its name)",
    )  # fmt: skip
    group.add_argument(
        "--judge-temperature", type=number(0, 2), default=None,
        help=f"how freely its answers are drawn (default: {TEMPERATURE}, or the teacher's where its model judges)",
    )  # fmt: skip
    group.add_argument(
        "--judge-max-tokens", type=arguments.TOKENS, default=None,
        help=f"most tokens of its answer (default: {MAX_TOKENS}, or the teacher's where its model judges)",
    )  # fmt: skip
    add_prices(group, "judge")


def offered(options: argparse.Namespace) -> bool:
    """Tell whether a command has these options."""
    return hasattr(options, "judge_model")


def teacher(options: argparse.Namespace, asked: Teacher) -> Teacher | None:
    """Give who is asked as the judge, by the ledger and the budget of the teacher; None where nobody is to judge."""
    if options.no_judge:
        if idle := changed(options.own, options, ABOUT):
            options.own.error(f"--no-judge: {idle} is about a judge; leave one of both away")
        return None
    if not (options.judge_model or options.judge_url):
        return _own_model(options, asked)
    own = in_place(options, "judge")
    own.temperature = TEMPERATURE if options.judge_temperature is None else options.judge_temperature
    own.max_tokens = options.judge_max_tokens or MAX_TOKENS
    found = arguments.teacher(own)
    if found.model == asked.model:
        _log.warning("the judge is the teacher's own model: one of another family (--judge-model) says more")
    licence = options.judge_terms or f"{terms_of(found.model).words}; none of its text is trained on"
    return replace(found, told_terms=licence)


def judge(who: Teacher, desk: Desk, strict: bool) -> Judge:
    """Give the judge as the reasoning step asks it; `strict` where what the rules suspect is rejected unread."""
    # What it and the rules are against is written anew, so often at most as the teacher is asked.
    texts = 1 if strict else 1 + who.retries
    ask = desk.put(who, "judging", part="the judge's part", texts=texts)
    return Judge(who.model, who.sampling, ask, who.terms, who.retries, desk.settled, desk.dry, strict)


def _own_model(options: argparse.Namespace, asked: Teacher) -> Teacher:
    """Have the teacher's model judge, as the teacher is asked: some models take no other temperature than one."""
    if idle := changed(options.own, options, PRICES):
        options.own.error(f"{idle} is about a judge of its own; name it with --judge-model, or leave that away")
    _log.info("the teacher's own model judges what no rule has rejected; --judge-model names another one")
    sampling = asked.sampling
    if options.judge_temperature is not None:
        sampling = replace(sampling, temperature=options.judge_temperature)
    if options.judge_max_tokens:
        sampling = replace(sampling, max_tokens=options.judge_max_tokens)
    licence = options.judge_terms or f"{asked.terms}; none of its text is trained on"
    return replace(asked, name=asked.model, sampling=sampling, told_terms=licence)
