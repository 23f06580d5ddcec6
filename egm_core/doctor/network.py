"""Servers that answer on this machine, and ports that are taken."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from egm_core.doctor.facts import Server

# Where vLLM and this package's server listen, and SGLang.
PORTS = (8000, 30000)
USUAL = tuple(f"http://127.0.0.1:{port}" for port in PORTS)
PATIENCE = 2.0


def servers(addresses: Iterable[str]) -> tuple[Server, ...]:
    """Ask addresses for their models, all at once; those that do not answer as a model server are left out."""
    asked = list(dict.fromkeys(address.rstrip("/") for address in addresses))
    with ThreadPoolExecutor(max(len(asked), 1)) as pool:
        return tuple(server for server in pool.map(_ask, asked) if server is not None)


def taken(ports: Iterable[int]) -> tuple[int, ...]:
    """Give those of some ports that cannot be listened on at 127.0.0.1."""
    return tuple(port for port in ports if not _free(port))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _ask(address: str) -> Server | None:
    health, _ = _get(f"{address}/health")
    status, told = _get(f"{address}/v1/models")
    models = _names(told)
    if status == 0 or (not models and health not in (200, 503)):
        return None
    return Server(address, models, ready=bool(models) and health != 503)


def _names(told: Any) -> tuple[str, ...]:
    listed = told.get("data") if isinstance(told, dict) else None
    found = [entry.get("id") for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return tuple(name for name in found if isinstance(name, str))


def _get(url: str) -> tuple[int, Any]:
    """Get a URL; gives the status (0: no answer) and its JSON (None: there is none)."""
    # A proxy has no business between this machine and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=PATIENCE) as answer:
            return int(answer.status), _json(answer.read(1_000_000))
    except urllib.error.HTTPError as error:
        return error.code, None
    except (OSError, ValueError):
        return 0, None


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
