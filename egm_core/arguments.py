"""Command lines: parsers with help that tells defaults, ranges and an example, and the types of their arguments.

argparse names the option before the words of a type, so these say what was given and what may be.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn


class Help(argparse.RawDescriptionHelpFormatter):
    """Help that keeps the description's lines, and adds each option's range and default to its words."""

    def _get_help_string(self, action: argparse.Action) -> str:
        said = action.help or ""
        words = action.type.words if isinstance(action.type, Number) else ""
        if "(default:" in said:
            return said.replace("(default:", f"({words}; default:") if words else said
        takes_value = bool(action.option_strings) and action.nargs != 0 and not action.required
        notes = filter(None, (words, f"default: {_shown(action.default)}" if takes_value else ""))
        told = "; ".join(notes)
        return f"{said} ({told})" if told else said


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and whose help ends with an example.

    The usage of a command with many options would hide what is wrong. `example` is the command's arguments.
    """

    def __init__(self, *arguments: Any, example: str = "", **options: Any) -> None:
        options.setdefault("formatter_class", Help)
        super().__init__(*arguments, **options)
        if example:
            self.epilog = "\n".join(["example:", *(f"  %(prog)s {line}".rstrip() for line in example.split("\n"))])

    @property
    def name(self) -> str:
        """What messages begin with: egm_core.ground, or egm ground."""
        return self.prog.removeprefix("python -m ")

    def error(self, message: str) -> NoReturn:
        """Name what is wrong, and end with status 2."""
        self.exit(2, f"{self.name}: {message} (--help lists what there is)\n")


@dataclass(frozen=True)
class Number:
    """The type of a finite number from `low`, or above `above`, to `high`; the ends are included."""

    kind: type[int] | type[float]
    low: float | None = None
    high: float | None = None
    above: float | None = None

    @property
    def words(self) -> str:
        """The range in words, for help; empty where any number will do."""
        if self.low is not None and self.high is not None:
            return f"{self.low} to {self.high}"
        least = f"above {self.above:g}" if self.above is not None else f"at least {self.low}"
        least = "" if self.above is None and self.low is None else least
        most = f"at most {self.high}" if self.high is not None else ""
        return ", ".join(filter(None, (least, most)))

    def __call__(self, text: str) -> Any:
        """Take a number; ArgumentTypeError says the range."""
        try:
            value = self.kind(text)
        except ValueError:
            value = math.nan
        inside = (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
        )
        if not math.isfinite(value) or not inside:
            raise argparse.ArgumentTypeError(f"{text!r} must be {self._what}")
        return value

    @property
    def _what(self) -> str:
        what = "a whole number" if self.kind is int else "a number"
        least = f" above {self.above:g}" if self.above is not None else ""
        least = f" of at least {self.low}" if self.low is not None and not least else least
        if self.low is not None and self.high is not None:
            return f"{what} from {self.low} to {self.high}"
        return f"{what}{least}" + (f" and at most {self.high}" if self.high is not None else "")


def whole(low: int, high: int | None = None) -> Number:
    """Make the type of a whole number from `low` to `high`, both included."""
    return Number(int, low, high)


def number(low: float | None = None, high: float | None = None, above: float | None = None) -> Number:
    """Make the type of a finite number from `low`, or above `above`, to `high`."""
    return Number(float, low, high, above)


def address(text: str) -> str:
    """Take the URL of a server, http://host:port."""
    # Here, for `egm doctor` also runs where the libraries of engines are missing.
    from egm_core.engines.http.address import checked

    try:
        checked(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def device(text: str) -> str:
    """Take a torch device by its name; whether this machine has it, the engine says."""
    from egm_core.engines.devices import DEVICE, KINDS

    if not DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no device; {KINDS}")
    return text


def changed(parser: argparse.ArgumentParser, options: argparse.Namespace, names: Iterable[str]) -> str:
    """Name those of some options, such as "device", that were set to another value than their default."""
    given = [name for name in names if getattr(options, name) != parser.get_default(name)]
    return ", ".join(f"--{name.replace('_', '-')}" for name in given)


def _shown(default: Any) -> str:
    """Write a default for help, where % would be taken for a placeholder."""
    if default is None or default == []:
        return "none"
    words = " ".join(map(str, default)) if isinstance(default, (list, tuple)) else str(default)
    return (words or "empty").replace("%", "%%")
