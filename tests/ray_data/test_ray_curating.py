"""Curation's questions on Ray Data: nothing is lost by a kill -9, and asked again is only what was under way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ray.data", reason="needs Ray; make test-ray has it")

sys.path.append(str(Path(__file__).resolve().parents[1] / "core/curate/teacher"))

from paid_server import paid

from egm_core.asking.store import Store
from egm_core.curate.teacher.ask import ABOUT

TESTS = Path(__file__).resolve().parents[1]
TEACHER = TESTS / "core/curate/teacher"
COUNT = 1500
CHILD = """
import sys
from pathlib import Path
sys.path[:0] = {folders!r}
from test_ask import jobs
from egm_core.asking.served import Serving
from egm_core.curate.teacher import Teacher, ask
who = Teacher({urls!r}, serving=Serving(8, limited=True), ray={address!r})
print(sum(not answer.error for _, answer in ask(jobs({count}), who, Path({ledger!r}))))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_curating_over_two_servers_survives_a_kill(tmp_path: Path) -> None:
    ledger = tmp_path / "answers.sqlite"
    with paid() as one, paid() as two:
        one.seconds = two.seconds = 0.02
        address = os.environ.get("EGM_RAY_ADDRESS", "local")
        code = CHILD.format(
            folders=[str(TEACHER), str(TESTS)],
            urls=(one.url, two.url),
            address=address,
            count=COUNT,
            ledger=str(ledger),
        )

        def begun() -> subprocess.Popen[str]:
            return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

        first = begun()
        while first.poll() is None and one.answers + two.answers < 600:
            time.sleep(0.05)
        assert first.poll() is None, "it ended before its kill"
        first.send_signal(signal.SIGKILL)
        first.wait()
        # Its actors may ask on for a moment before they notice.
        while (before := one.answers + two.answers) != (time.sleep(3), one.answers + two.answers)[1]:
            continue
        with Store(ledger, ABOUT) as store:
            kept = len(store)
        assert kept < COUNT, "the kill came too late to show anything"
        out, _ = begun().communicate(timeout=600)
        assert out.strip() == str(COUNT)
        asked = one.asked + two.asked
        assert len(asked) == COUNT and min(one.answers, two.answers) > 0.2 * COUNT
        assert sum(asked.values()) - COUNT <= before - kept, "what was kept is not asked again"
        with Store(ledger, ABOUT) as store:
            assert len(store) == COUNT
        count = one.answers + two.answers
        assert begun().communicate(timeout=600)[0].strip() == str(COUNT) and one.answers + two.answers == count
        print(f"{kept} kept at the kill of {before} answered; {sum(asked.values()) - COUNT} asked again")
