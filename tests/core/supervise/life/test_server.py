"""An engine's own server: launched by its plan, and said to have failed by the word that fits."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from egm_core.engines.base import EngineError, Health
from egm_core.supervise.life.server import check_start, launched
from egm_core.supervise.plan import EnginePlan, plans
from egm_core.supervise.settings import EngineSettings

STARTING, FAILED = Health("starting", "nothing answers"), Health("failed", "cannot serve")


def planned(tmp_path: Path, code: str) -> EnginePlan:
    script = tmp_path / "server.py"
    script.write_text(code)
    (plan,) = plans(EngineSettings("egm_tiny", engine_command=f"{sys.executable} -S {script} {{port}}"))
    return plan


def refused(plan: EnginePlan, health: Health, deadline: float) -> str:
    with pytest.raises(EngineError) as caught:
        check_start(plan, "http://there", health, None, deadline)
    return str(caught.value)


def test_a_server_is_launched_on_the_port_of_its_url(tmp_path: Path) -> None:
    lines: list[str] = []
    process, url = launched(planned(tmp_path, "import sys; print(sys.argv[1])"), lines.append)
    assert process.wait(20) == 0
    process.stop()
    assert url == f"http://127.0.0.1:{lines[0]}"


@pytest.mark.parametrize(
    ("said", "reason"),
    [("a screw is loose", "engine_died"), ("CUDA out of memory", "engine_out_of_memory")],
)
def test_one_that_died_says_of_what(tmp_path: Path, said: str, reason: str) -> None:
    plan = planned(tmp_path, f"raise SystemExit({said!r})")
    process, url = launched(plan, lambda line: None)
    assert process.wait(20) == 1
    with pytest.raises(EngineError, match=said) as caught:
        check_start(plan, url, STARTING, process, time.monotonic() + 60)
    process.stop()
    assert caught.value.reason == reason


def test_one_that_failed_or_took_too_long_says_so_and_one_that_starts_is_waited_for(tmp_path: Path) -> None:
    plan = planned(tmp_path, "")
    later = time.monotonic() + 60
    check_start(plan, "http://there", STARTING, None, later)
    assert refused(plan, FAILED, later) == "engine_failed: cannot serve"
    late = refused(plan, STARTING, time.monotonic() - 1)
    assert late.startswith("engine_start_timeout: http://there was not ready after") and "nothing answers" in late
