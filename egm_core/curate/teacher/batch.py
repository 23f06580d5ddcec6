"""Batch files of OpenAI and Anthropic: questions written, results read back into the ledger.

A batch costs half and takes up to a day. Nothing is uploaded here. What came back as an error, or expired, is a failure
like others, and goes into the next files.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from egm_core.asking.job import Answer, Job
from egm_core.asking.store import Store
from egm_core.curate.money.budget import Budget
from egm_core.curate.money.tally import TalliedStore
from egm_core.curate.money.tokens import Tokens, tokens_of
from egm_core.curate.teacher import batch_anthropic, batch_openai
from egm_core.curate.teacher.batch_rows import Row, Vendor
from egm_core.curate.teacher.teacher import Teacher
from egm_core.curate.teacher.usable import checked
from egm_core.sample.whole import written

GZIP = b"\x1f\x8b"
# Tokens of the largest picture, by the largest of all rules.
LARGEST = 16384 * 1.5
_log = logging.getLogger("egm.curate")
VENDORS: dict[str, Vendor] = {"openai": batch_openai.VENDOR, "anthropic": batch_anthropic.VENDOR}


def vendor_of(model: str) -> Vendor:
    """Give the vendor whose batch files a model is asked by: Anthropic for Claude, else OpenAI's form."""
    return VENDORS["anthropic" if "claude" in model.lower() else "openai"]


def write_out(jobs: Sequence[Job], teacher: Teacher, store: TalliedStore, folder: Path) -> str:
    """Write jobs as batch files that keep the vendor's limits; says which, and how to go on.

    ValueError where the worst case does not fit into the budget, or where files of an earlier time are there.
    """
    vendor = vendor_of(teacher.model)
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty: name another folder, so that no file is sent twice")
    if not jobs:
        return "every question has its answer in the ledger: there is nothing to write"
    _affordable(jobs, teacher, store)
    names: list[str] = []
    rows: list[bytes] = []
    size = vendor.around
    unreadable: list[str] = []
    for job in jobs:
        try:
            row = json.dumps(vendor.row(job, teacher.model, teacher.read), ensure_ascii=True).encode()
        except (OSError, ValueError) as error:
            unreadable.append(str(error))
            # It will be in no file, and its failure is known from now on.
            if store.claim(job.key):
                store.add(Answer(job.key, error=str(error)))
                store.not_sent()
            continue
        if len(row) + 1 + vendor.around > vendor.most_bytes:
            raise ValueError(f"one question has {len(row):,} bytes, and a file may have {vendor.most_bytes:,}")
        if rows and (len(rows) == vendor.most_rows or size + len(row) + 1 > vendor.most_bytes):
            names.append(_written(folder, len(names) + 1, rows, vendor))
            rows, size = [], vendor.around
        rows.append(row)
        size += len(row) + 1
    if rows:
        names.append(_written(folder, len(names) + 1, rows, vendor))
    lines = [f"{len(jobs) - len(unreadable):,} questions -> {len(names)} file(s) in {folder} for {vendor.name}; "
             "nothing was sent"]  # fmt: skip
    if unreadable:
        lines.append(
            f"{len(unreadable):,} have a picture that cannot be read and are in none, such as: {unreadable[0]}"
        )
    lines += [vendor.remedy, "then run the same command with --batch-in RESULTS... in place of --batch-out"]
    return "\n".join(lines)


def _affordable(jobs: Sequence[Job], teacher: Teacher, store: Store) -> None:
    if teacher.limit is None or teacher.price is None:
        return
    budget = Budget(teacher.price.in_batch(), teacher.limit, wary=1.0)
    spent, worst = sum(store.money()), 0.0
    for number, job in enumerate(jobs):
        try:
            worst += budget.worst(tokens_of(job, teacher.model))
        except (OSError, ValueError):
            continue
        if spent + worst > teacher.limit:
            raise ValueError(
                f"the budget of ${teacher.limit:,.2f} has room for {number:,} of {len(jobs):,} questions, at the worst "
                f"case of each in a batch; ${spent:,.2f} is spent. Give a larger --budget-usd, or fewer samples"
            )


def _written(folder: Path, number: int, rows: Iterable[bytes], vendor: Vendor) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"batch_{number:03d}{vendor.suffix}"
    with written(file) as part:
        part.write_bytes(vendor.joined(rows))
    return file.name


def take_in(files: Sequence[Path], jobs: Mapping[str, Job], store: Store, teacher: Teacher) -> None:
    """Read results of batches into the ledger; those of other questions are left alone.

    An answer stands in place of a failure of the same id, as in files of several rounds. Of two answers of one id that
    differ the last is taken, and said.
    """
    price = teacher.price.in_batch() if teacher.price else None
    budget = Budget(price, wary=1.0)
    done: set[str] = set()
    strange = 0
    known = store.done(failed=True)
    found: dict[str, Answer] = {}
    unbilled: set[str] = set()
    twice: dict[str, Path] = {}
    for file in files:
        for row in read_rows(file):
            key, told = row.answer.key, row.answer
            if key not in jobs:
                strange += key not in known
                continue
            answer = told if told.error else checked(told)
            before = found.get(key)
            if before is not None and not before.error:
                if answer.error or answer == before:
                    continue
                twice[key] = file
            found[key] = answer
            (unbilled.add if told.error and not told.usage else unbilled.discard)(key)
    if twice:
        _tell_twice(twice)
    for key, answer in found.items():
        if store.claim(key):
            # What failed in a batch is not billed; an answer without counts of tokens is, as if it had the most.
            budget.settle(store, answer, _tokens(jobs[key], teacher.model), free=key in unbilled)
            done.add(key)
    wrong = sum(bool(answer.error) for answer in found.values())
    if not (done or strange):
        # They were taken in by an earlier step of this run.
        return
    left = f"; {strange:,} are of another step, prompt, model or run, and are left alone here" if strange else ""
    print(f"{len(done):,} results taken in, {wrong:,} of them failures{left}")


def _tell_twice(twice: Mapping[str, Path]) -> None:
    key, file = next(iter(twice.items()))
    _log.warning(
        "%d ids of batch results have two answers that differ, such as %s in %s: the last is taken, and of the other "
        "neither words nor cost are counted; were two batches of the same questions sent?",
        len(twice), key, file,
    )  # fmt: skip


def _tokens(job: Job, model: str) -> Tokens:
    try:
        return tokens_of(job, model)
    except (OSError, ValueError):
        # A picture that is gone since has been paid for all the same: its share is not known any more.
        shown = sum(part["type"] == "picture" for one in job.messages for part in _parts(one["content"]))
        plain = replace(job, messages=tuple({**one, "content": _texts(one["content"])} for one in job.messages))
        counted = tokens_of(plain, model)
        return replace(counted, most_in=counted.most_in + shown * LARGEST)


def _parts(content: Any) -> list[Any]:
    return [] if isinstance(content, str) else list(content)


def _texts(content: Any) -> Any:
    return content if isinstance(content, str) else [part for part in content if part["type"] != "picture"]


def read_rows(file: Path) -> Iterable[Row]:
    """Read a file of results of any of the vendors; ValueError names the line that is none."""
    with file.open("rb") as lines:
        if lines.peek(2)[:2] == GZIP:
            raise ValueError(f"{file} is compressed; unpack it with gunzip, and give what comes of it")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                told = json.loads(line)
                vendor = next((one for one in VENDORS.values() if one.knows(told)), None)
                if vendor is None:
                    asks = isinstance(told, dict) and not {"requests", "params", "body"}.isdisjoint(told)
                    raise ValueError("it is a request" if asks else "it has not the form of any vendor")
                yield Row(vendor.name, replace(vendor.read(told), key=str(told["custom_id"])))
            except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
                raise ValueError(
                    f"{file}:{number} is no result of a batch ({error}); give the files that the vendor wrote, as "
                    "they are"
                ) from error
