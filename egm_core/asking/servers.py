"""A model behind OpenAI-compatible servers, asked from this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from egm_core.asking.asker import Emit
from egm_core.asking.endpoints import Endpoints
from egm_core.asking.job import Job, ReadPicture
from egm_core.asking.served import ServedModel, Serving, served_model


@dataclass(frozen=True)
class Servers:
    """Servers that have one model; `read` gives the pictures that jobs refer to."""

    urls: tuple[str, ...]
    read: ReadPicture
    serving: Serving = field(default_factory=Serving)

    @cached_property
    def served(self) -> ServedModel:
        """The model that the servers have, asked once, from here."""
        return served_model(self.urls, self.serving)

    @property
    def about(self) -> dict[str, Any]:
        """Which model the servers have; which servers they are, and who asks them, may change."""
        return {"model": self.served.name, "root": self.served.root, "weights": list(self.served.weights)}

    @property
    def asked(self) -> Serving:
        """How each server is asked: for the model that all of them have."""
        return replace(self.serving, model=self.served.name)


class ServerAsker(Servers):
    """Servers that this process asks, with many jobs under way at each."""

    def ask(self, jobs: Iterator[Job], emit: Emit) -> None:
        """Ask side by side; EngineError where no server is left."""

        async def run() -> None:
            endpoints = Endpoints(self.urls, self.read, self.asked)
            try:
                await endpoints.ask(jobs, emit)
            finally:
                await endpoints.close()

        asyncio.run(run())
