"""Which model is behind a server: what makes the answers of one another's never pass for each other.

A server says its model's name, and some (vLLM, `egm_core.serve`) the folder or repository it was loaded from. Where
that folder is on this machine too, its weights tell a retrained model from the one before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import httpx

from egm_core.engines.base import EngineError
from egm_core.engines.http.address import api_root
from egm_core.engines.http.keys import authorization, is_loopback
from egm_core.engines.http.served_models import Listed, Wanted, choose, read_list
from egm_core.models.folder import WEIGHTS
from egm_core.servers.dialect import Dialect
from egm_core.servers.known import OPENAI, dialect_of

PAUSE = 1.0
SECONDS = 10.0
NO_LIST = (404, 405)


@dataclass(frozen=True)
class Serving:
    """How servers are asked.

    Each has up to `concurrency` jobs under way. `timeout` seconds is the most that one answer may take, `patience` the
    seconds without any answer after which a server is given up. The API key is read from the environment variable
    `api_key_env` where that is set; the hosts of `key_in_clear` may have it without TLS. `model` is the name to ask
    for; empty takes the only one that a server lists. With `limited` no answer is ever asked for without a limit of its
    tokens, also where a server refuses it: somebody pays for them.
    """

    concurrency: int = 32
    timeout: float = 300.0
    patience: float = 600.0
    api_key_env: str = "OPENAI_API_KEY"
    key_in_clear: Sequence[str] = ()
    model: str = ""
    limited: bool = False

    def client(self, url: str) -> dict[str, Any]:
        """Give the options of an HTTP client for a server."""
        base, _ = api_root(url)
        return {
            "base_url": base,
            "headers": authorization(url, self.api_key_env, self.key_in_clear),
            "timeout": httpx.Timeout(self.timeout, connect=5.0),
            "trust_env": not is_loopback(httpx.URL(base).host),
        }


@dataclass(frozen=True)
class ServedModel:
    """A server's model: its name there, where it was loaded from, and a digest of each file of its weights."""

    name: str
    root: str = ""
    weights: tuple[str, ...] = ()


def weights_of(folder: Path) -> tuple[str, ...]:
    """Give a digest of each file of a model folder's weights; none for what is no folder here."""
    digests = []
    for file in sorted(folder.glob(WEIGHTS)) if folder.is_dir() else ():
        digest = blake2b()
        with file.open("rb") as data:
            while block := data.read(1 << 20):
                digest.update(block)
        digests.append(digest.hexdigest()[:16])
    return tuple(digests)


def listed(answer: httpx.Response, url: str, model: str) -> tuple[Listed, Dialect]:
    """Read a server's list of models: the one that is meant, and what kind of server it is.

    A server without a list is believed to have the model that is asked for by name. Raises EngineError.
    """
    if model and answer.status_code in NO_LIST:
        return Listed(model), OPENAI
    answer.raise_for_status()
    found = choose(read_list(answer.text, url), Wanted(model), url)
    return found, dialect_of(found.owner)


def served_model(urls: Sequence[str], serving: Serving) -> ServedModel:
    """Ask servers which model they have, and give the one that all who answer share.

    Waits up to `patience` seconds for the first to answer. Raises EngineError where none does, and where two have
    different models.
    """
    begun = time.monotonic()
    while True:
        found, trouble = {}, {}
        for url in urls:
            try:
                found[url] = _ask(url, serving)
            except httpx.HTTPError as error:
                trouble[url] = f"{url}: {type(error).__name__}: {error}"
            except EngineError as error:
                if error.reason == "engine_wrong_model":
                    raise
                trouble[url] = f"{url}: {error}"
        if found or time.monotonic() - begun > serving.patience:
            break
        time.sleep(min(PAUSE, serving.patience))
    if not found:
        raise EngineError(
            "engine_unreachable", f"no server is left to ask which model it has ({'; '.join(trouble.values())})"
        )
    first, *others = found.items()
    for url, model in others:
        if model != first[1]:
            raise EngineError(
                "engine_wrong_model",
                f"{first[0]} has {first[1].name!r} ({first[1].root or 'it does not say from where'}) and {url} has "
                f"{model.name!r} ({model.root or 'it does not say from where'}); servers that share the work must have "
                "one model",
            )
    return first[1]


def _ask(url: str, serving: Serving) -> ServedModel:
    with httpx.Client(**serving.client(url)) as client:
        model, _ = listed(client.get(f"{api_root(url)[1]}/models", timeout=SECONDS), url, serving.model)
    return ServedModel(model.name, model.root, weights_of(Path(model.root)) if model.root else ())
