"""How a server is reached: its address, the key that may go there, and how long to wait for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from egm_core.engines.http.address import api_root, checked
from egm_core.engines.http.failures import Timeouts
from egm_core.engines.http.keys import authorization, is_loopback, key_refusal, tls_context


@dataclass(frozen=True)
class Connection:
    """What every client of a server shares; `api` is the path of its API, `keyless` says why no key goes there."""

    url: str
    api: str
    timeouts: Timeouts
    keyless: str
    options: dict[str, Any]

    def client(self) -> httpx.AsyncClient:
        """Make a client, which has a pool of its own."""
        return httpx.AsyncClient(**self.options)


def connection(
    url: str, api_key_env: str, timeouts: Timeouts, verify: bool | str, clear_hosts: Iterable[str]
) -> Connection:
    """Work out how to reach a server; ValueError for an address, or certificates, that cannot be used."""
    parts = checked(url)
    root, api = api_root(url)
    hosts = tuple(clear_hosts)
    options: dict[str, Any] = {
        "base_url": root,
        "headers": authorization(root, api_key_env, hosts),
        "verify": tls_context(verify if parts.scheme == "https" else False),
        "timeout": httpx.Timeout(timeouts.read, connect=timeouts.connect),
        # Servers drop idle connections after about five seconds; a request must not meet a dropped one.
        "limits": httpx.Limits(keepalive_expiry=3.0),
        "trust_env": not is_loopback(parts.hostname),
    }
    return Connection(root, api, timeouts, key_refusal(root, api_key_env, hosts), options)
