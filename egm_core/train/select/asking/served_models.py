"""Which model is behind a server: what makes the scores of one another's never pass for each other.

A server says its model's name, and some (vLLM, `egm_core.serve`) the folder or repository it was loaded from. Where
that folder is on this machine too, its weights tell a retrained model from the one before.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import httpx

from egm_core.engines.base import EngineError
from egm_core.engines.http.keys import authorization, is_loopback
from egm_core.models.folder import WEIGHTS
from egm_core.train.configuration import ConfigurationError

PAUSE = 1.0
SECONDS = 10.0


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
        with file.open("rb") as data:
            digests.append(file_digest(data, "blake2b").hexdigest()[:16])
    return tuple(digests)


def served_model(
    urls: Sequence[str],
    patience: float,
    api_key_env: str = "OPENAI_API_KEY",
    key_in_clear: Sequence[str] = (),
) -> ServedModel:
    """Ask servers which model they have, and give the one that all who answer share.

    Waits up to `patience` seconds for the first to answer. Raises EngineError where none does, and ConfigurationError
    where two have different models.
    """
    begun = time.monotonic()
    while True:
        found, trouble = {}, {}
        for url in urls:
            try:
                found[url] = _ask(url, authorization(url, api_key_env, key_in_clear))
            except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
                trouble[url] = f"{url}: {type(error).__name__}: {error}"
        if found or time.monotonic() - begun > patience:
            break
        time.sleep(min(PAUSE, patience))
    if not found:
        raise EngineError(
            "engine_unreachable", f"no server is left to ask which model it has ({'; '.join(trouble.values())})"
        )
    first, *others = found.items()
    for url, model in others:
        if model != first[1]:
            raise ConfigurationError(
                f"{first[0]} has {first[1].name!r} ({first[1].root or 'it does not say from where'}) and {url} has "
                f"{model.name!r} ({model.root or 'it does not say from where'}); a role's servers must have one model"
            )
    return first[1]


def _ask(url: str, headers: Mapping[str, str]) -> ServedModel:
    base = url.rstrip("/").removesuffix("/v1")
    answer = httpx.get(
        f"{base}/v1/models", timeout=SECONDS, headers=dict(headers), trust_env=not is_loopback(httpx.URL(base).host)
    )
    answer.raise_for_status()
    entry = answer.json()["data"][0]
    root = str(entry.get("root") or "")
    return ServedModel(str(entry["id"]), root, weights_of(Path(root)) if root else ())
