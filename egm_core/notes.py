"""What a command says beside its results: notes, warnings and errors on stderr, as loud as -v and -q ask for."""

from __future__ import annotations

import argparse
import logging
import sys

LOG = logging.getLogger("egm")


class _Notes(logging.Handler):
    """Writes records to stderr, above a progress bar that is being drawn; the words of errors get a prefix."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a closed pipe is left to the command's end, as with print."""
        said = record.getMessage()
        line = f"{self._prefix}{said}" if record.levelno >= logging.ERROR else said
        # Without a bar nothing may be imported for this: the command may be there to say what is missing.
        tqdm = sys.modules.get("tqdm")
        if sys.stderr is None:
            return
        if tqdm is None:
            print(line, file=sys.stderr, flush=True)
        else:
            tqdm.tqdm.write(line, file=sys.stderr)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser -v and -q."""
    group = parser.add_argument_group("how much is said")
    group.add_argument("-v", "--verbose", action="count", default=0, help="say more on stderr")
    group.add_argument(
        "-q", "--quiet", action="count", default=0, help="say less on stderr: warnings and errors; -qq: errors only"
    )


def loudness(options: argparse.Namespace) -> int:
    """Give the least level that is said: notes, unless -v or -q ask for more or less."""
    wanted: int = logging.INFO + 10 * (options.quiet - options.verbose)
    return min(max(wanted, logging.DEBUG), logging.ERROR)


def begin(options: argparse.Namespace) -> None:
    """Let a command speak as loud as its options say, its errors in the name of the parser that read them."""
    speak(loudness(options), f"{options.own.name}: ")


def speak(level: int, prefix: str = "") -> None:
    """Let the core's loggers write to stderr from a level on; `prefix` comes before errors."""
    for handler in [handler for handler in LOG.handlers if isinstance(handler, _Notes)]:
        LOG.removeHandler(handler)
    LOG.addHandler(_Notes(prefix))
    LOG.setLevel(level)
