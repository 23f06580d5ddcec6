"""The verbs of `egm`: the core's own, and those that other packages add by the entry point group `egm.verbs`.

An entry point names a tuple of `Verb`. In a checkout nothing is installed, so packages `egm_*` beside this one are
asked as well, where they have a file `verbs.py` with such a tuple, `VERBS`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROUP = "egm.verbs"
_log = logging.getLogger("egm.command")


@dataclass(frozen=True)
class Verb:
    """One verb: its name, what it does, and the module that does it.

    The module has `parser(prog)` and `main(arguments, prog)`, which gives the exit status. It is imported when the
    verb is called, so that the others work where a library of one is missing. The verb is offered where all of
    `needs` can be imported; `remedy` says how to get them.
    """

    name: str
    summary: str
    module: str
    needs: tuple[str, ...] = ()
    remedy: str = ""

    @property
    def lacking(self) -> list[str]:
        """Name the modules in want of which the verb is not offered."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]

    def run(self, arguments: list[str]) -> int:
        """Run the verb and give its exit status; ModuleNotFoundError where a library is missing."""
        return int(importlib.import_module(self.module).main(arguments, f"egm {self.name}") or 0)


VERBS = (
    Verb("ground", "find what an instruction means in an image, or in a whole recording", "egm_core.command.ground"),
    Verb("serve", "put a model behind the OpenAI chat API", "egm_core.command.serve"),
    Verb("scenes", "render scenes with exact boxes, and export them for training", "egm_core.command.scenes"),
    Verb("data", "turn the files of the field's data sets into samples", "egm_core.command.data"),
    Verb("curate", "have a teacher write reasoning and expressions, and check them", "egm_core.command.curate"),
    Verb("train", "train a model, stage by stage", "egm_core.command.train"),
    Verb(
        "evaluate",
        "measure models on sample files and generated scenes, and print the paper's tables",
        "egm_core.command.evaluate",
    ),
    Verb("bench", "measure how fast engines answer, beside what the memory allows", "egm_core.command.bench"),
    Verb("doctor", "say what this machine has and lacks for each job", "egm_core.command.doctor"),
)


def verbs() -> dict[str, Verb]:
    """Find all verbs by name, the core's first; of two with one name the first counts."""
    beside = _beside()
    found: dict[str, Verb] = {}
    for verb in (*VERBS, *(verb for more in beside.values() for verb in more), *_installed(set(beside))):
        found.setdefault(verb.name, verb)
    return found


def _beside() -> dict[str, tuple[Verb, ...]]:
    """Read the `verbs.py` of the packages beside this one.

    The file is read without its package, whose import may change this process: signals, the environment.
    """
    found = {}
    for file in sorted(Path(__file__).resolve().parents[2].glob("egm_*/verbs.py")):
        spec = importlib.util.spec_from_file_location(f"{file.parent.name}_verbs", file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found[file.parent.name] = tuple(module.VERBS)
    return found


def _installed(known: set[str]) -> Iterator[Verb]:
    """Load the entry points of all packages but the known ones."""
    try:
        points = importlib.metadata.entry_points(group=GROUP)
    except TypeError:
        # A Python before 3.10, where no package of ours can be installed: the doctor still says so.
        return
    for point in points:
        if point.module.partition(".")[0] in known:
            continue
        try:
            yield from point.load()
        except (ImportError, AttributeError) as error:
            _log.warning("the verbs of %s cannot be loaded: %s; install that package anew", point.value, error)
