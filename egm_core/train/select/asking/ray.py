"""Scoring on Ray Data: many actors put the questions of a large training set to several servers.

For half a million questions and a cluster; on one machine `local` does the same without Ray. Every
actor keeps many questions under way at every server (Ray's own HTTP processor waits for one answer before it
asks the next), and shares its servers out as `Endpoints` does. The scores come back to the process that began,
which alone writes the store, so it resumes as without Ray. Images are read by the actors: every node must see them
under the same path, and have egm_core installed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import import_module
from itertools import islice
from typing import Any

from egm_core.engines.base import EngineError
from egm_core.train.configuration import ConfigurationError
from egm_core.train.select.asking.endpoints import Emit, Endpoints
from egm_core.train.select.asking.local import PATIENCE, about_served
from egm_core.train.select.asking.served_models import ServedModel, served_model
from egm_core.train.select.asking.store import Score
from egm_core.train.select.questions import Manner, Problem, Question

BLOCK = 256


@dataclass(frozen=True)
class RayScorer:
    """A model behind servers that Ray's actors ask; `address` is "local", "auto", or a cluster's address.

    `settings` are those of `Endpoints`; its concurrency is shared out among the `actors`. What is lost by a kill,
    and asked again, is at most the blocks of 256 questions that the actors hold.
    """

    urls: tuple[str, ...]
    manner: Manner
    settings: dict[str, Any] = field(default_factory=dict)
    address: str = "local"
    actors: int = 2

    @cached_property
    def served(self) -> ServedModel:
        """The model that the servers have, asked once, from here."""
        return served_model(
            self.urls,
            self.settings.get("patience", PATIENCE),
            key_in_clear=self.settings.get("key_in_clear", ()),
        )

    @property
    def about(self) -> dict[str, Any]:
        """Which model is asked, and how, as `EndpointScorer` says it: a store may go on with Ray or without."""
        return about_served(self.served, self.manner)

    def score(self, questions: Iterator[Question], emit: Emit) -> None:
        """Score questions on a cluster; EngineError where no server is left, as without Ray."""
        ray = _ray()
        known: dict[str, Question] = {}
        blocks = []
        while block := list(islice(questions, BLOCK)):
            known.update((question.key, question) for question in block)
            blocks.append(_table(block))
        if not blocks:
            return
        began = not ray.is_initialized()
        if began:
            # Ray reports its use to its makers unless told not to.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            options = {"include_dashboard": False} if self.address == "local" else {}
            ray.init(self.address, log_to_driver=False, **options)
        ray.data.DataContext.get_current().enable_progress_bars = False
        try:
            each = -(-self.settings.get("concurrency", 32) // self.actors)
            settings = {**self.settings, "model": self.served.name, "concurrency": each}
            scored = ray.data.from_arrow(blocks).map_batches(
                Client,
                fn_constructor_args=(self.urls, self.manner, settings),
                batch_size=BLOCK,
                batch_format="pyarrow",
                zero_copy_batch=True,
                compute=ray.data.ActorPoolStrategy(size=self.actors),
                # They wait for servers, and need next to none of their machine.
                num_cpus=0.1,
            )
            for rows in scored.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for row in rows.to_pylist():
                    if row["key"] is None:
                        raise EngineError("engine_unreachable", row["why"])
                    emit(_result(row, known.pop(row["key"])))
        finally:
            if began:
                ray.shutdown()


class Client:
    """An actor: asks servers about blocks of questions, and gives a row for each."""

    def __init__(self, urls: tuple[str, ...], manner: Manner, settings: dict[str, Any]) -> None:
        # One loop for the actor's life, for connections and what is known of the servers belong to it.
        self._loop = asyncio.new_event_loop()
        self._endpoints = Endpoints(urls, manner, **settings)

    def __call__(self, block: Any) -> Any:
        """Score a block; both are Arrow tables."""
        rows: list[dict[str, Any]] = []
        asking = self._endpoints.score(_questions(block.to_pylist()), lambda result: rows.append(_row(result)))
        try:
            self._loop.run_until_complete(asking)
        except EngineError as error:
            # A row without a key: an exception would reach the other side wrapped, repeated and without its words.
            rows.append({"key": None, "why": error.detail})
        return _results(rows)


def _ray() -> Any:
    try:
        ray = import_module("ray")
        import_module("ray.data")
    except ImportError as error:
        raise ConfigurationError(
            "scoring on Ray Data needs Ray: pip install 'egm_ros[ray]' on every node, or leave the setting `ray` empty "
            "to score without it"
        ) from error
    return ray


def _table(questions: list[Question]) -> Any:
    import pyarrow as pa

    rows = [{**asdict(q), "truth": None if q.truth is None else list(q.truth)} for q in questions]
    text, whole = pa.string(), pa.int64()
    kinds = {"truth": pa.list_(pa.float64()), "width": whole, "height": whole}
    names = ("key", "image", "sent", "task", "truth", "width", "height")
    return pa.Table.from_pylist(rows, pa.schema([(name, kinds.get(name, text)) for name in names]))


def _questions(rows: list[dict[str, Any]]) -> Iterator[Question]:
    for row in rows:
        yield Question(**{**row, "truth": None if row["truth"] is None else tuple(row["truth"])})


def _row(result: Score | Problem) -> dict[str, Any]:
    if isinstance(result, Score):
        return {**asdict(result), "why": None}
    return {"key": result.question.key, "why": result.why}


def _results(rows: list[dict[str, Any]]) -> Any:
    import pyarrow as pa

    names = ("key", "task", "iou", "outcome", "text", "why")
    schema = pa.schema([(name, pa.float64() if name == "iou" else pa.string()) for name in names])
    return pa.Table.from_pylist(rows, schema)


def _result(row: dict[str, Any], question: Question) -> Score | Problem:
    if row["why"] is not None:
        return Problem(question, row["why"])
    return Score(question.key, row["task"], row["iou"], row["outcome"], row["text"])
