"""Command lines: parsers with help that tells defaults, ranges and an example, and the types of their arguments.

argparse names the option before the words of a type, so these say what was given and what may be. A parsed command
line knows its parser as `own`: that of the subcommand where there is one.
"""

from __future__ import annotations

import argparse
import difflib
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

# Options that name a file to write, and those whose file is both read and written: answers that are gone on with.
_WRITTEN = ("out", "json", "output", "png", "draw", "list")
_KEPT = ("answers", "ledger")


class Help(argparse.RawDescriptionHelpFormatter):
    """Help that keeps the description's lines, and adds each option's range and default to its words."""

    def _get_help_string(self, action: argparse.Action) -> str:
        said = action.help or ""
        words = action.type.words if isinstance(action.type, Number) else ""
        if "(default:" in said:
            return said.replace("(default:", f"({words}; default:") if words else said
        # What a text that is left empty stands for, an option's own words have to say.
        takes_value = bool(action.option_strings) and action.nargs != 0 and not action.required and action.default != ""
        notes = filter(None, (words, f"default: {_shown(action.default)}" if takes_value else ""))
        told = "; ".join(notes)
        return f"{said} ({told})" if told else said


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line with the word that was meant, and whose help ends with an example.

    The usage of a command with many options would hide what is wrong. `example` is the command's arguments.
    """

    def __init__(self, *arguments: Any, example: str = "", **options: Any) -> None:
        options.setdefault("formatter_class", Help)
        super().__init__(*arguments, **options)
        self.register("action", "parsers", _Commands)
        self._given: list[str] = []
        self.set_defaults(own=self)
        if example:
            self.epilog = "\n".join(["example:", *(f"  %(prog)s {line}".rstrip() for line in example.split("\n"))])

    @property
    def name(self) -> str:
        """What messages begin with: egm_core.ground, or egm ground."""
        return self.prog.removeprefix("python -m ")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse what is known, and keep what was given, for the words of an error."""
        self._given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(self._given, namespace)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a command line; what no parser knows is named by the command that it was given to."""
        return self._whole(*self.parse_known_args(args, namespace))

    def parse_intermixed_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a command line whose options may stand between its words."""
        return self._whole(*self.parse_known_intermixed_args(args, namespace))

    def error(self, message: str) -> NoReturn:
        """Name what is wrong and what was meant, and end with status 2."""
        known = [name for name in self._option_string_actions if name.startswith("--")]
        strange = [word.partition("=")[0] for word in self._given if word.startswith("--") and len(word) > 2]
        hints = [hint for word in strange if not _begins(word, known) for hint in [meant(word, known)] if hint]
        self.exit(2, f"{self.name}: {message}{''.join(dict.fromkeys(hints))} (--help lists what there is)\n")

    def _whole(self, options: argparse.Namespace, left: Sequence[str]) -> argparse.Namespace:
        if left:
            own: Parser = options.own
            own.error(f"unrecognized arguments: {' '.join(left)}")
        _keep_what_is_read(getattr(options, "own", self), options)
        return options

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            near = meant(str(value), choices)
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}{near} (choose from {', '.join(choices)})")


class _Commands(argparse._SubParsersAction):  # type: ignore[type-arg]
    """The commands of a parser; one without a description is described by its line in the list of commands."""

    def add_parser(self, name: str, **options: Any) -> Any:
        """Add a command."""
        if not options.get("description") and (told := options.get("help")):
            options["description"] = f"{told[0].upper()}{told[1:]}."
        return super().add_parser(name, **options)


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
        if not inside or not math.isfinite(value):
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


def whole(low: int, high: int) -> Number:
    """Make the type of a whole number from `low` to `high`, both included; without an end a typo stops a machine."""
    return Number(int, low, high)


def number(low: float | None = None, high: float | None = None, above: float | None = None) -> Number:
    """Make the type of a finite number from `low`, or above `above`, to `high`."""
    return Number(float, low, high, above)


# The ends are far above what any machine has or needs, and below what would stop one.
CORES = whole(1, 1024)
COUNT = whole(1, 10_000)
PIXELS = SCENES = whole(1, 100_000_000)
SECONDS = number(above=0, high=86_400)
# The names of shards have twelve digits for a seed.
SEED = whole(0, 10**12 - 1)


def plainly(value: float) -> str:
    """Write a number as people do: whole ones with all their digits."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:g}"


def meant(name: str, known: Iterable[str]) -> str:
    """Ask for the known word that a wrong one comes near to; empty where none does."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def address(text: str) -> str:
    """Take the URL of a server, http://host:port."""
    try:
        try:
            from egm_core.engines.http.address import checked
        except ModuleNotFoundError:
            # `egm doctor` also runs where the libraries of engines are missing.
            _look_at_address(text)
        else:
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


def apart(own: argparse.ArgumentParser, written: Path | None, name: str, kept: Iterable[Path], what: str) -> None:
    """Refuse a file to write, of the option `name`, that is one of those that the command keeps otherwise, or reads."""
    for path in kept:
        if written is not None and _one(path, written):
            own.error(f"--{name}: {written} is the file of {what}, which would be lost; give another name")


def _keep_what_is_read(own: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse a file to write that is a file to read, or that another option writes: one of them would be lost."""
    values = vars(options)
    outputs = {name: values[name] for name in (*_WRITTEN, *_KEPT) if isinstance(values.get(name), Path)}
    for name, written in outputs.items():
        for other, value in values.items():
            if other in outputs:
                continue
            if any(_same(one, written) for one in _paths(value)):
                own.error(f"--{name}: {written} is a file to read ({other.replace('_', '-')}); give another name")
    for (name, written), (other, path) in combinations(outputs.items(), 2):
        if _one(path, written):
            own.error(f"--{name} and --{other}: both are {written}, and one would be lost; give each its own name")


def _paths(value: Any) -> list[Path]:
    """Give the files that an argument names: a path, several, or those of NAME=FILE."""
    if isinstance(value, Path):
        return [value]
    if isinstance(value, (list, tuple)):
        return [path for one in value for path in _paths(one)]
    return [Path(value.rpartition("=")[2])] if isinstance(value, str) and "=" in value else []


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and one.samefile(other)


def _one(one: Path, other: Path) -> bool:
    """Tell whether two paths are one file, also where it is still to be written."""
    return _same(one, other) or one.resolve() == other.resolve()


def _look_at_address(text: str) -> None:
    """Raise ValueError for what is clearly no address of a server; for a Python without httpx."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(f"{text!r} is not a URL of a server; write http://host:port or https://host:port")


def _begins(word: str, known: Iterable[str]) -> bool:
    """Tell whether an option is one that is known, or begins as one does: argparse takes that, too."""
    return any(name.startswith(word) for name in known)


def _shown(default: Any) -> str:
    """Write a default for help, where % would be taken for a placeholder."""
    if default is None or default == []:
        return "none"
    words = " ".join(map(str, default)) if isinstance(default, (list, tuple)) else str(default)
    return words.replace("%", "%%")
