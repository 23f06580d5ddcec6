"""The teacher of a command line: its servers, its model, how it is asked, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from egm_core.asking.endpoints import Endpoints
from egm_core.asking.job import ReadPicture
from egm_core.asking.served import Serving, served_model
from egm_core.asking.within import Within, WithinEndpoints
from egm_core.curate import pictures
from egm_core.curate.money.prices import Price
from egm_core.curate.teacher.terms import terms_of
from egm_core.engines.base import Sampling


@dataclass(frozen=True)
class Teacher:
    """Who is asked, and how.

    `name` may be empty: then a server's only model is meant. `attempts` is how often one question is sent in a run
    before it counts as failed. `limit` is the budget in dollars, None for none; `price` None where there is no budget
    and none is known. `partial`: where the budget ends, what was not asked is a failure like others, and not an error.
    With batch files, failed rows are then left as failures, too. `retries` is how often an answer that fails by its
    form is asked for anew. `read` gives the pictures that jobs refer to. `inside` is vLLM in this process, which
    is then asked in place of servers.
    """

    urls: tuple[str, ...] = ()
    name: str = ""
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=800, temperature=0.7))
    serving: Serving = field(default_factory=lambda: Serving(16, limited=True))
    attempts: int = 4
    price: Price | None = None
    limit: float | None = None
    told_terms: str = ""
    partial: bool = False
    retries: int = 0
    batch_out: Path | None = None
    batch_in: tuple[Path, ...] = ()
    ray: str = ""
    read: ReadPicture = pictures.read
    inside: Within | None = None

    @cached_property
    def model(self) -> str:
        """The model's name; asked of the server where none was given."""
        if self.name:
            return self.name
        if self.inside is not None:
            return self.inside.name
        if not self.urls:
            raise ValueError("without a server nobody knows the model: name it with --teacher-model")
        return served_model(self.urls, self.serving).name

    @property
    def by_batch(self) -> bool:
        """Whether questions and answers go through batch files."""
        return bool(self.batch_in) or self.batch_out is not None

    @property
    def terms(self) -> str:
        """The terms that its texts are under, which each record has beside the model's name."""
        return self.told_terms or terms_of(self.model).words

    @property
    def asked(self) -> Serving:
        """How each server is asked."""
        return replace(self.serving, model=self.model, limited=True)

    def endpoints(self) -> Endpoints | WithinEndpoints:
        """Give what is asked: its servers, or vLLM in this process; to be made on the loop that asks."""
        if self.inside is None:
            return Endpoints(self.urls, self.read, self.asked)
        return WithinEndpoints(self.inside, self.read, self.serving.concurrency, self.serving.timeout)

    def about(self) -> dict[str, Any]:
        """Tell what its answers depend on, for records of steps."""
        sampling = self.sampling
        told = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens, "seed": sampling.seed}
        return {"model": self.model, "terms": self.terms, "sampling": told}
