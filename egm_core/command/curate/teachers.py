"""The teacher of a set's steps, as a command line names it."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from egm_core.arguments import COUNT, SECONDS, Parser, address, number
from egm_core.asking.job import Answer, Job
from egm_core.asking.served import Serving
from egm_core.asking.servers import ServerAsker
from egm_core.curate import pictures
from egm_core.curate.prompts import load
from egm_core.curate.reason.questions import Asking
from egm_core.curate.reason.run import Ask, reason
from egm_core.curate.sets.amodal_train import NEIGHBOURS
from egm_core.curate.sets.asker import LEDGER, ask_once
from egm_core.curate.sets.expressing import Manner, express, verify
from egm_core.curate.sets.workers import Worker, Workers
from egm_core.engines.base import Sampling
from egm_core.sample import read_samples

_log = logging.getLogger("egm.curate")


def add(own: Parser) -> None:
    """Add the options that name a teacher."""
    group = own.add_argument_group("teacher")
    group.add_argument("--teacher-url", type=address, help="OpenAI-compatible server of the teacher")
    group.add_argument("--teacher-model", default="", help="the model's name there (default: its only one)")
    group.add_argument("--teacher-terms", default="", metavar="WORDS", help="its licence or terms, for every record")
    group.add_argument("--api-key-env", default="OPENAI_API_KEY", help="environment variable with the API key")
    group.add_argument("--concurrency", type=COUNT, default=16, help="questions under way at once")
    group.add_argument("--patience", type=SECONDS, default=600.0, help="seconds without any answer before giving up")
    group.add_argument("--temperature", type=number(0, 2), default=0.7, help="how freely answers are drawn")
    group.add_argument("--max-tokens", type=COUNT, default=800, help="most tokens of an answer")
    group.add_argument("--ledger", type=Path, help=f"keep the answers here (default: {LEDGER} in the folder)")


def workers(options: argparse.Namespace, asks: bool) -> Workers:
    """Give the steps that ask; without `asks` no teacher is needed, and none is looked for."""
    own: Parser = options.own
    if asks and not options.teacher_url:
        own.error("these steps ask a teacher: name its server with --teacher-url, or give --step objects")
    if asks and not options.teacher_terms:
        _log.warning(
            "the records will not say under which terms the teacher's texts are: give --teacher-terms, for some "
            "forbid training on them"
        )
    serving = Serving(
        options.concurrency, patience=options.patience, api_key_env=options.api_key_env, model=options.teacher_model
    )
    asker = ServerAsker((options.teacher_url,), pictures.read, serving)
    model = asker.served.name if asks else ""
    sampling = Sampling(temperature=options.temperature, max_tokens=options.max_tokens)
    manner = Manner(model, sampling, options.teacher_terms)
    others = options.out / NEIGHBOURS
    ledger = options.ledger or options.out / LEDGER

    def asking(title: str) -> Ask:
        def ask(jobs: Iterable[Job]) -> Iterator[tuple[Job, Answer]]:
            return ask_once(jobs, asker, ledger, title)

        return ask

    def reasoning(source: Path, out: Path) -> Mapping[str, Any]:
        found = reason(
            list(read_samples(source)), Asking("amodal", model, sampling), asking("reasoning"), out, manner.terms
        )
        return {"rates": found}

    def about(prompt: str) -> dict[str, Any]:
        return {"prompt": load(prompt).label, "model": model, "terms": manner.terms, "sampling": asdict(sampling)}

    return Workers(
        Worker(lambda source, out: express(source, out, manner, asking("expressing"), others), about("express")),
        Worker(lambda source, out: verify(source, out, manner, asking("verifying"), others), about("verify")),
        Worker(reasoning, about("reason_amodal")),
    )
