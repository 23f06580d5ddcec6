"""Types of command line arguments: numbers within bounds, a server's address, a torch device, and what does nothing.

argparse names the option before the words of a type, so these say what was given and what may be.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from typing import NoReturn

from egm_core.engines.devices import DEVICE, KINDS
from egm_core.engines.http.address import checked


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line: the usage of a command with many options hides what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Name what is wrong, and end with status 2."""
        self.exit(2, f"{self.prog.removeprefix('python -m ')}: {message} (--help lists what there is)\n")


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """Make the type of a whole number from `low` to `high`, both included."""
    return lambda text: int(_within(text, int, "a whole number", low, high))


def number(low: float | None = None, high: float | None = None, above: float | None = None) -> Callable[[str], float]:
    """Make the type of a finite number from `low`, or above `above`, to `high`."""
    return lambda text: _within(text, float, "a number", low, high, above)


def address(text: str) -> str:
    """Take the URL of a server, http://host:port."""
    try:
        checked(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def device(text: str) -> str:
    """Take a torch device by its name; whether this machine has it, the engine says."""
    if not DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no device; {KINDS}")
    return text


def changed(parser: argparse.ArgumentParser, options: argparse.Namespace, names: Iterable[str]) -> str:
    """Name those of some options, such as "device", that were set to another value than their default."""
    given = [name for name in names if getattr(options, name) != parser.get_default(name)]
    return ", ".join(f"--{name.replace('_', '-')}" for name in given)


def _within(
    text: str,
    kind: Callable[[str], float],
    what: str,
    low: float | None,
    high: float | None,
    above: float | None = None,
) -> float:
    least = f" above {above:g}" if above is not None else f" of at least {low}" if low is not None else ""
    bounds = f" from {low} to {high}" if low is not None and high is not None else least
    bounds += f" and at most {high}" if high is not None and low is None else ""
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    inside = (low is None or value >= low) and (high is None or value <= high) and (above is None or value > above)
    if not math.isfinite(value) or not inside:
        raise argparse.ArgumentTypeError(f"{text!r} must be {what}{bounds}")
    return value
