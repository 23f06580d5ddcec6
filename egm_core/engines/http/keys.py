"""Where an API key may go: over TLS, to this machine, or in clear to a host that its user names."""

from __future__ import annotations

import ipaddress
import logging
import os
import ssl
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx

_log = logging.getLogger("egm.engine")


def is_loopback(host: str | None) -> bool:
    """Tell whether a host is this machine itself."""
    name = (host or "").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def key_refusal(url: str, api_key_env: str, clear_hosts: Iterable[str] = ()) -> str:
    """Say why the key in `api_key_env` is not sent to a server; empty where it is, or where there is none.

    `clear_hosts` names the hosts that may have it in clear.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not (api_key_env and os.environ.get(api_key_env)) or parts.scheme == "https" or is_loopback(host):
        return ""
    if host in {name.strip().lower() for name in clear_hosts}:
        return ""
    return (
        f"the API key in {api_key_env} is not sent to {url}, for everybody on the way could read it; use https, or "
        f"allow it by naming the host {host} (parameter engine_key_in_clear, option --key-in-clear, "
        "setting key_in_clear)"
    )


def authorization(url: str, api_key_env: str, clear_hosts: Iterable[str] = ()) -> dict[str, str]:
    """Give the header with the API key for a server, none where there is no key or where it must not be sent."""
    key = os.environ.get(api_key_env, "") if api_key_env else ""
    refusal = key_refusal(url, api_key_env, clear_hosts)
    if refusal:
        _log.warning("%s", refusal)
    return {"Authorization": f"Bearer {key}"} if key and not refusal else {}


def tls_context(verify: bool | str) -> ssl.SSLContext:
    """Read the certificates once, not for each request; a path names those to trust, ValueError where it has none."""
    if not isinstance(verify, str):
        return httpx.create_ssl_context(verify)
    try:
        return ssl.create_default_context(cafile=verify)
    except OSError as error:
        raise ValueError(
            f"{verify} holds no certificates to verify a server with ({error.strerror or error}); name a PEM file"
        ) from error
