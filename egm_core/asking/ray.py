"""Asking on Ray Data: many actors put many jobs to several servers.

For half a million questions and a cluster; on one machine `servers` does the same without Ray. Every actor keeps many
jobs under way at every server (Ray's own HTTP processor waits for one answer before it asks the next), and shares its
servers out as `Endpoints` does. The answers come back to the process that began, which alone writes the store, so it
resumes as without Ray. Pictures are read by the actors: every node must see them under the same path, and have egm_core
installed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import islice
from typing import Any

from egm_core.asking.asker import Emit
from egm_core.asking.endpoints import Endpoints
from egm_core.asking.job import Answer, Job, ReadPicture
from egm_core.asking.served import Serving
from egm_core.asking.servers import Servers
from egm_core.engines.base import EngineError

BLOCK = 256


@dataclass(frozen=True)
class RayAsker(Servers):
    """Servers that Ray's actors ask; `address` is "local", "auto", or a cluster's address.

    The concurrency is shared out among the `actors`. What is lost by a kill, and asked again, is at most the blocks of
    256 jobs that the actors hold.
    """

    address: str = "local"
    actors: int = 2

    def ask(self, jobs: Iterator[Job], emit: Emit) -> None:
        """Ask on a cluster; EngineError where no server is left, as without Ray."""
        ray = _ray()
        blocks = []
        while block := list(islice(jobs, BLOCK)):
            blocks.append(_table(job=[job.to_json() for job in block]))
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
            each = -(-self.serving.concurrency // self.actors)
            answers = ray.data.from_arrow(blocks).map_batches(
                Client,
                fn_constructor_args=(self.urls, self.read, replace(self.asked, concurrency=each)),
                batch_size=BLOCK,
                batch_format="pyarrow",
                zero_copy_batch=True,
                compute=ray.data.ActorPoolStrategy(size=self.actors),
                # They wait for servers, and need next to none of their machine.
                num_cpus=0.1,
            )
            for rows in answers.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for row in rows.to_pylist():
                    if row["answer"] is None:
                        raise EngineError("engine_unreachable", row["gone"])
                    emit(Answer.from_json(row["answer"]))
        finally:
            if began:
                ray.shutdown()


class Client:
    """An actor: asks servers about blocks of jobs, and gives a row for each."""

    def __init__(self, urls: tuple[str, ...], read: ReadPicture, serving: Serving) -> None:
        # One loop for the actor's life, for connections and what is known of the servers belong to it.
        self._loop = asyncio.new_event_loop()
        self._endpoints = Endpoints(urls, read, serving)

    def __call__(self, block: Any) -> Any:
        """Ask about a block; both are Arrow tables."""
        answers: list[str] = []
        gone: list[str] = []
        jobs = map(Job.from_json, block.column("job").to_pylist())
        try:
            self._loop.run_until_complete(self._endpoints.ask(jobs, lambda answer: answers.append(answer.to_json())))
        except EngineError as error:
            # A row without an answer: an exception would reach the other side wrapped, repeated and without its words.
            gone.append(error.detail)
        return _table(answer=[*answers, *(None for _ in gone)], gone=[*(None for _ in answers), *gone])


def _table(**columns: Sequence[str | None]) -> Any:
    import pyarrow as pa

    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _ray() -> Any:
    try:
        ray = import_module("ray")
        import_module("ray.data")
    except ImportError as error:
        raise EngineError(
            "engine_request",
            "asking on Ray Data needs Ray: pip install 'egm_ros[ray]' on every node, or leave the setting `ray` empty "
            "to ask without it",
        ) from error
    return ray
