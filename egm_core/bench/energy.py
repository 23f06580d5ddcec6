"""What answers cost in joules, where the platform tells: an NVIDIA GPU, RAPL, or the meters on a Jetson's board."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

NOT_TOLD = "not told here"
EVERY = 0.1
_GPU = ["nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits"]


class Meter(Protocol):
    """A source of power: its name, and the joules since it was made."""

    name: str

    def joules(self) -> float:
        """Give the joules since the meter was made."""

    def close(self) -> None:
        """Stop measuring."""


@dataclass
class Used:
    """Joules by meter; empty where nothing tells them."""

    joules: dict[str, float] = field(default_factory=dict)


@contextmanager
def measured(system: Path = Path("/sys")) -> Iterator[Used]:
    """Measure what is used within the block; what it gives is filled in at the block's end."""
    meters = [meter for found in (gpu(), rapl(system), board(system)) if (meter := found) is not None]
    used = Used()
    try:
        yield used
    finally:
        for meter in meters:
            used.joules[meter.name] = meter.joules()
            meter.close()


class Counter:
    """RAPL: counters of microjoules that begin anew at their largest value."""

    def __init__(self, folders: list[Path]) -> None:
        self.name = "processor (RAPL)"
        self._folders = folders
        self._largest = [_number(folder / "max_energy_range_uj") for folder in folders]
        self._last = [_number(folder / "energy_uj") for folder in folders]
        self._sum = 0.0
        self._lock = threading.Lock()
        # The counter of a busy package begins anew within minutes.
        self._clock = _Every(10.0, self.joules)

    def joules(self) -> float:
        """Give the joules since the meter was made."""
        with self._lock:
            for number, folder in enumerate(self._folders):
                now = _number(folder / "energy_uj")
                gone = now - self._last[number]
                self._sum += gone if gone >= 0 else gone + self._largest[number]
                self._last[number] = now
            return self._sum / 1e6

    def close(self) -> None:
        """Stop measuring."""
        self._clock.close()


class Sampled:
    """Watts that are read again and again, and summed up over time."""

    def __init__(self, name: str, watts: list[tuple[Path, Path]]) -> None:
        self.name = name
        self._watts = watts
        self._sum, self._at = 0.0, time.monotonic()
        self._lock = threading.Lock()
        self._clock = _Every(EVERY, self.joules)

    def joules(self) -> float:
        """Give the joules since the meter was made."""
        with self._lock:
            # Millivolts times milliamperes are microwatts.
            watts = sum(_number(volts) * _number(amperes) for volts, amperes in self._watts) / 1e6
            now = time.monotonic()
            self._sum += watts * (now - self._at)
            self._at = now
            return self._sum

    def close(self) -> None:
        """Stop measuring."""
        self._clock.close()


class Told:
    """The watts that nvidia-smi prints as time goes on, of all GPUs together."""

    def __init__(self, gpus: int) -> None:
        self.name = "GPU (nvidia-smi)"
        self._gpus = gpus
        self._sum, self._watts, self._at = 0.0, [0.0] * gpus, time.monotonic()
        self._lock = threading.Lock()
        command = [*_GPU, f"--loop-ms={round(1000 * EVERY)}"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self._read, name="bench-power", daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for number, line in enumerate(self._process.stdout):
            with self._lock:
                self._advance()
                self._watts[number % self._gpus] = _watts(line)

    def _advance(self) -> None:
        now = time.monotonic()
        self._sum += sum(self._watts) * (now - self._at)
        self._at = now

    def joules(self) -> float:
        """Give the joules since the meter was made."""
        with self._lock:
            self._advance()
            return self._sum

    def close(self) -> None:
        """Stop measuring."""
        self._process.terminate()
        self._process.wait()


class _Every:
    """Calls a function at a steady pace until it is closed."""

    def __init__(self, seconds: float, call: Callable[[], object]) -> None:
        self._end = threading.Event()
        self._call = call
        threading.Thread(target=self._run, args=(seconds,), name="bench-power", daemon=True).start()

    def _run(self, seconds: float) -> None:
        while not self._end.wait(seconds):
            self._call()

    def close(self) -> None:
        """Call no more."""
        self._end.set()


def gpu() -> Told | None:
    """Find the meters of NVIDIA's GPUs; None where the driver tells no watts, as on a Jetson."""
    if shutil.which(_GPU[0]) is None:
        return None
    try:
        lines = subprocess.run(_GPU, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    return Told(len(lines)) if lines and all(_watts(line) > 0 for line in lines) else None


def rapl(system: Path) -> Counter | None:
    """Find the counters of the processor's packages; None where there are none, or this user may not read them."""
    folders = sorted((system / "class/powercap").glob("intel-rapl:?"))
    readable = [folder for folder in folders if _readable(folder / "energy_uj")]
    return Counter(readable) if readable else None


def board(system: Path) -> Sampled | None:
    """Find the meters of a Jetson's board (INA3221), whose first channel is the whole board's supply."""
    for folder in sorted((system / "bus/i2c/drivers/ina3221").glob("*/hwmon/hwmon*")):
        found = [
            (volts, amperes)
            for volts in sorted(folder.glob("in[1-3]_input"))
            if _readable(volts) and _readable(amperes := folder / f"curr{volts.name[2]}_input")
        ]
        labels = {volts: _label(folder / f"{volts.name.split('_')[0]}_label") for volts, _ in found}
        whole = [pair for pair in found if labels[pair[0]].upper().startswith(("VDD_IN", "VIN"))]
        if found:
            return Sampled("board (INA3221)", whole or found)
    return None


def _watts(line: str) -> float:
    try:
        return float(line)
    except ValueError:
        return 0.0


def _number(path: Path) -> float:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return 0.0


def _label(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _readable(path: Path) -> bool:
    try:
        float(path.read_text())
    except (OSError, ValueError):
        return False
    return True
