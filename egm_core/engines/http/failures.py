"""What went wrong between a server and its client, as an error of the engine."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from egm_core.engines.base import EngineError
from egm_core.engines.http.chat_body import Unsendable


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait for a connection, for the next piece of an answer, and for the whole answer."""

    connect: float = 5.0
    read: float = 60.0
    total: float = 300.0


# What `of` has words for; anything else is a mistake of this program.
FAILURES = (TimeoutError, httpx.HTTPError, Unsendable, UnicodeError, ValueError, RecursionError)


def of(error: Exception, url: str, timeouts: Timeouts) -> EngineError:
    """Give the engine's error for one of `FAILURES`."""
    match error:
        case TimeoutError():
            return EngineError("engine_timeout", f"no whole answer within {timeouts.total:g} s")
        case httpx.ConnectTimeout():
            return EngineError("engine_timeout", f"no connection to {url} within {timeouts.connect:g} s")
        case httpx.TimeoutException():
            return EngineError("engine_timeout", f"{url} was silent for {timeouts.read:g} s")
        case httpx.ConnectError():
            text = f"nothing answers at {url} ({named(error)}); is the server running?"
            return EngineError("engine_unreachable", text)
        case httpx.HTTPError():
            return EngineError("engine_cut_stream", f"the connection to {url} broke ({named(error)})")
        case Unsendable():
            return EngineError("engine_request", str(error))
    return EngineError("engine_garbage", f"{type(error).__name__}: {error}")


def named(error: Exception) -> str:
    """Name an error, with its words where it has any."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def retry_after(headers: Mapping[str, str]) -> float:
    """Tell how many seconds a server wants to be left alone: a number, or a date; 0 where it says nothing of use."""
    told = headers.get("retry-after", "").strip()
    try:
        wait = float(told)
    except ValueError:
        try:
            wait = parsedate_to_datetime(told).timestamp() - time.time()
        except (ValueError, TypeError, IndexError, OverflowError):
            return 0.0
    return max(0.0, wait) if math.isfinite(wait) else 0.0
