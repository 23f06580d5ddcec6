"""The options by which all verbs of curation name a teacher, and what it may cost."""

from __future__ import annotations

import argparse
import logging
import os
from dataclasses import replace
from pathlib import Path

import httpx

from egm_core.arguments import COUNT, SECONDS, SEED, Parser, address, number, whole
from egm_core.asking.served import Serving
from egm_core.asking.within import Within
from egm_core.curate.money.prices import FREE, Price, price_of, read_prices
from egm_core.curate.teacher.ask import LEDGER
from egm_core.curate.teacher.teacher import Teacher
from egm_core.engines.base import Sampling
from egm_core.engines.http.keys import is_loopback

DOLLARS = number(0, 10_000_000)
TOKENS = whole(16, 1_000_000)
_log = logging.getLogger("egm.curate")
PRICE_NAMES = "--price-in and --price-out"


def add(own: Parser, ledger: bool = True) -> None:
    """Add the options to a command's parser."""
    group = own.add_argument_group("teacher")
    group.add_argument(
        "--teacher-url", type=address, nargs="+", default=[], metavar="URL", help="OpenAI-compatible servers"
    )
    group.add_argument(
        "--teacher-model", default="", metavar="NAME", help="the model's name there (default: its only one)"
    )
    group.add_argument(
        "--teacher-terms", "--terms", default="", metavar="WORDS",
        help="its licence or terms, for every record (default: what is known by its name)",
    )  # fmt: skip
    group.add_argument("--api-key-env", default="OPENAI_API_KEY", metavar="NAME", help="variable with the API key")
    group.add_argument(
        "--key-in-clear", action="append", default=[], metavar="HOST", help="host that may have the key without TLS"
    )
    group.add_argument("--temperature", type=number(0, 2), default=0.7, help="how freely answers are drawn")
    group.add_argument("--max-tokens", type=TOKENS, default=800, help="most tokens of an answer, thinking included")
    group.add_argument("--teacher-seed", type=SEED, default=None, metavar="SEED", help="seed of its answers")
    group.add_argument("--concurrency", type=COUNT, default=16, help="most questions under way at each server")
    group.add_argument("--attempts", type=whole(1, 100), default=4, help="how often a question that fails is sent")
    group.add_argument(
        "--retries", type=whole(0, 20), default=1,
        help="how often an answer that was cut off, unreadable, or broke a rule is asked for anew; 0 with batch files",
    )  # fmt: skip
    group.add_argument("--timeout", type=SECONDS, default=300.0, help="seconds that an answer may take")
    group.add_argument("--patience", type=SECONDS, default=600.0, help="seconds without any answer before giving up")
    group.add_argument(
        "--ray", default="", metavar="ADDRESS", help="local, auto or a Ray cluster's address (default: ask from here)"
    )
    if ledger:
        group.add_argument("--ledger", type=Path, help=f"keep the answers here (default: {LEDGER} beside the output)")
    money = own.add_argument_group("money")
    money.add_argument("--budget-usd", type=DOLLARS, default=None, metavar="X", help="spend no more, in this ledger")
    money.add_argument("--no-budget", action="store_true", help="ask without a bound")
    money.add_argument("--prices", type=Path, metavar="FILE", help="your own prices, as JSON")
    money.add_argument(
        "--price-in", type=DOLLARS, metavar="X", help="dollars for a million tokens in; 0 where nobody bills"
    )
    money.add_argument(
        "--price-out", type=DOLLARS, metavar="X", help="dollars for a million tokens out; 0 where nobody bills"
    )
    money.add_argument(
        "--partial",
        action="store_true",
        help="where the budget ends, or rows of a batch failed, go on with what there is",
    )
    money.add_argument("--dry-run", action="store_true", help="print what it will cost, and ask nothing")
    money.add_argument("--batch-out", type=Path, metavar="FOLDER", help="write batch files, and ask nothing")
    money.add_argument("--batch-in", type=Path, nargs="+", default=[], metavar="FILE", help="take in their results")


def teacher(options: argparse.Namespace) -> Teacher:
    """Read the teacher of a command line; ends with a line of words where money is not settled."""
    own: Parser = options.own
    inside: Within | None = getattr(options, "inside", None)
    if not (inside or options.teacher_url or options.batch_out or options.batch_in or options.dry_run):
        own.error("these steps ask a teacher: name its server with --teacher-url")
    # A second model of a command has prices of its own.
    names: str = getattr(options, "price_names", PRICE_NAMES)
    if (options.price_in is None) != (options.price_out is None):
        own.error(f"{names} belong together: give both")
    if options.budget_usd is not None and options.no_budget:
        own.error("--budget-usd and --no-budget exclude each other")
    if options.dry_run and options.batch_in:
        own.error("--batch-in: a dry run takes nothing in; leave one of both away")
    if inside and options.teacher_model not in ("", inside.name):
        own.error(
            f"vLLM in this process has the model {inside.name}, and {options.teacher_model} would be asked as well; "
            "name that one's server, by --judge-url or --second-url"
        )
    if inside and options.ray:
        own.error("--ray: vLLM in this process is not asked from a cluster; leave one of both away")
    if options.ray and options.budget_usd is not None:
        own.error("--budget-usd: a budget holds in one process alone; leave --ray away, or say --no-budget")
    serving = Serving(
        options.concurrency,
        options.timeout,
        options.patience,
        options.api_key_env,
        tuple(options.key_in_clear),
        options.teacher_model,
        limited=True,
    )
    found = Teacher(
        tuple(options.teacher_url),
        options.teacher_model,
        Sampling(options.max_tokens, options.temperature, seed=options.teacher_seed),
        serving,
        options.attempts,
        limit=options.budget_usd,
        told_terms=options.teacher_terms,
        partial=options.partial,
        # A batch takes a day, so nothing is asked anew in the same run.
        retries=0 if options.batch_in or options.batch_out else options.retries,
        batch_out=options.batch_out,
        batch_in=tuple(options.batch_in),
        ray=options.ray,
        inside=inside,
    )
    price = _price(options, found)
    if price is None and options.budget_usd is not None:
        own.error(
            f"--budget-usd: no price of {found.model} is known; give {names} (0 and 0 if nobody bills it), "
            "or --prices FILE"
        )
    asks = not (options.dry_run or options.batch_in)
    if asks and options.budget_usd is None and not options.no_budget and not (price and price.free):
        own.error(
            f"asking {found.model} may cost money: give --budget-usd X as a bound, or say --no-budget "
            f"(--dry-run tells what it will cost); if nobody bills it, give {names} as 0 and 0"
        )
    return replace(found, price=price)


def _price(options: argparse.Namespace, found: Teacher) -> Price | None:
    if options.price_in is not None:
        return Price("*", options.price_in, options.price_out, "", getattr(options, "price_names", PRICE_NAMES))
    own = read_prices(options.prices) if options.prices else ()
    here = bool(found.inside or found.urls) and all(is_loopback(httpx.URL(url).host) for url in found.urls)
    if here and not own and options.budget_usd is None and not os.environ.get(options.api_key_env):
        return FREE
    price = price_of(found.model, own)
    if own and price is not None and price not in own:
        _log.warning("%s has no price of %s: that of %s is taken", options.prices, found.model, price.source)
    return price


def ledger_of(options: argparse.Namespace, out: Path) -> Path:
    """Give the ledger: the one that was named, else one beside the output."""
    named: Path | None = options.ledger
    return named or out.with_name(LEDGER)


def check_out(out: Path) -> None:
    """Raise ValueError for a sample file that cannot be written."""
    if out.suffix not in (".jsonl", ".parquet") or not out.parent.is_dir():
        raise ValueError(f"cannot write {out}: give a name that ends in .jsonl, in a folder that is there")
