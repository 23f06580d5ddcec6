"""Waiting for a server that is still starting, or slow to answer, before anything is asked of it."""

from __future__ import annotations

import argparse
import logging
import time
from typing import Protocol

from egm_core.arguments import number
from egm_core.engines.base import EngineError, Health

WAIT = 120.0
# How long one look may take: the first, and, for servers that are slow, the later ones.
FIRST_LOOK, LONGEST_LOOK, PAUSE = 2.0, 30.0, 0.5
_log = logging.getLogger("egm.evaluate")


class Server(Protocol):
    """An engine that is asked how it is."""

    url: str

    def health(self, patience: float = FIRST_LOOK) -> Health:
        """Say how the server is, and allow each of its answers some seconds."""


def add_wait(parser: argparse._ActionsContainer) -> None:
    """Give a parser the option --wait."""
    parser.add_argument(
        "--wait",
        type=number(0, 86_400),
        default=WAIT,
        metavar="SECONDS",
        help="how long to wait for a server that does not answer yet, such as one that loads its model",
    )


def awaited(server: Server, seconds: float = WAIT) -> Health:
    """Wait until a server is ready; EngineError says which is not, why, and what to do."""
    began, look, told = time.monotonic(), FIRST_LOOK, False
    while True:
        health = server.health(look)
        if health.state == "ready":
            if told:
                _log.info("%s is ready after %.0f s", server.url, time.monotonic() - began)
            return health
        left = began + seconds - time.monotonic()
        if health.state in ("failed", "closed") or left <= 0:
            tried = f" (waited {seconds:g} s, --wait)" if left <= 0 else ""
            raise EngineError(
                "engine_unreachable", f"{health.detail}{tried}; start the server, or look at --engine-url and the key"
            )
        if not told:
            _log.warning("%s; waiting for it, at most %g s (--wait)", health.detail or server.url, seconds)
            told = True
        time.sleep(min(PAUSE, left))
        # A server that is slow, not absent, would be lost by looks that all end after the same two seconds.
        look = min(LONGEST_LOOK, 1.5 * look)
