"""Meters of power, read from files and a program as the platforms write them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from egm_core.bench import energy


def rapl(system: Path, values: tuple[int, ...]) -> None:
    for number, value in enumerate(values):
        folder = system / f"class/powercap/intel-rapl:{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "energy_uj").write_text(f"{value}\n")
        (folder / "max_energy_range_uj").write_text("10000000\n")


def test_rapl_counts_on_where_its_counter_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    rapl(tmp_path, (9_000_000, 1_000_000))
    with energy.measured(tmp_path) as used:
        rapl(tmp_path, (2_000_000, 1_500_000))
    assert used.joules == {"processor (RAPL)": pytest.approx(3.5)}


def test_a_jetsons_board_is_its_whole_supply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / "bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
    folder.mkdir(parents=True)
    for number, (label, volts, amperes) in enumerate([("VDD_GPU", 5000, 1000), ("VDD_IN", 20000, 2000)], 1):
        (folder / f"in{number}_label").write_text(label)
        (folder / f"in{number}_input").write_text(str(volts))
        (folder / f"curr{number}_input").write_text(str(amperes))
    outer = time.monotonic()
    with energy.measured(tmp_path) as used:
        inner = time.monotonic()
        time.sleep(0.3)
        least = time.monotonic() - inner
    assert 40 * least <= used.joules["board (INA3221)"] <= 40 * (time.monotonic() - outer)


def test_nvidia_smi_is_summed_over_its_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/bash\ntell() { printf "100.0\\n50.0\\n"; }\ntell\n'
        'case "$*" in *loop*) while sleep 0.05; do tell; done;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    began = time.monotonic()
    with energy.measured(tmp_path) as used:
        time.sleep(0.5)
    # Until the program's first line nothing is told.
    assert 150 * 0.2 < used.joules["GPU (nvidia-smi)"] <= 150 * (time.monotonic() - began)


def test_where_nothing_tells_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with energy.measured(tmp_path) as used:
        pass
    assert used.joules == {}
