"""vLLM inside the command that asks: `--engine vllm-in-process`, and what it lacks here, said before it loads."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from egm_core.servers import checks
from egm_core.servers.machine import Machine, look
from egm_core.servers.vllm import ENGINE

if TYPE_CHECKING:
    from egm_core.engines.vllm import VllmEngine

NAME = "vllm-in-process"
REMEDY = (
    "make an environment that has both (python3 -m venv ~/vllm && ~/vllm/bin/pip install vllm"
    " 'CHECKOUT_OF_EGM_ROS[scenes,curate]'), and run this command there: ~/vllm/bin/egm ..."
)


@dataclass(frozen=True)
class Inside:
    """How vLLM runs in this process; the fields are named as the options of commands, without `engine_`."""

    precision: str = "auto"
    memory_share: float = 0.0
    start_timeout: float = 600.0

    def engine(self, folder: Path, pictures: int = 1) -> VllmEngine:
        """Make the engine of a model folder, which is still to be started; ValueError says what is lacking here."""
        machine = look()
        lacks = lacking(str(folder), self.precision, machine)
        if lacks:
            raise ValueError(f"--engine {NAME}: {'; and '.join(lacks)}")
        from egm_core.engines.vllm import VllmEngine

        share = self.memory_share or checks.share(ENGINE, machine)
        return VllmEngine(folder, self.precision, share, pictures)


def lacking(model: str, precision: str, machine: Machine) -> list[str]:
    """Say in sentences what keeps vLLM from running a model in this process."""
    there = _there()
    if not there.program:
        return [f"{sys.executable} has no vllm, which would run inside this command; {REMEDY}"]
    assert ENGINE.start is not None
    here = replace(ENGINE, start=replace(ENGINE.start, remedy=REMEDY))
    return checks.lacks(here, there, machine, model, precision)


def _there() -> checks.Found:
    """Look for vLLM in this interpreter; the build for processors goes by another name."""
    if importlib.util.find_spec("vllm") is None:
        return checks.Found()
    assert ENGINE.start is not None
    known = {}
    for name in (ENGINE.start.distribution, *ENGINE.start.cpu_builds):
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            continue
    builds = tuple(name for name in ENGINE.start.cpu_builds if name in known)
    return checks.Found(sys.executable, next(iter(known.values()), ""), builds)
