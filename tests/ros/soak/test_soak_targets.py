"""Five targets before each of three cameras with the embedded model: memory flat, and equal turns for all.

make soak-targets                    # ten minutes; SOAK_MINUTES=2 make soak-targets tries it
"""

from __future__ import annotations

import os
import statistics
from collections import Counter

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from domains import UNCLAIMED
from processes import wait_for
from running import start_node
from stills import LINES, PICTURES, cameras
from witness import Cost, Witness, table

DOMAIN = UNCLAIMED
SECONDS = 60.0 * float(os.environ.get("SOAK_MINUTES", "10"))
# So many answers of a target more or less are luck of where the count began and ended; of a camera, for each target.
EDGE = 2

pytestmark = [pytest.mark.ros, pytest.mark.clock, pytest.mark.slow]


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(15.0), pytest.param(SECONDS, marks=[pytest.mark.soak, pytest.mark.timeout(SECONDS + 240.0)])],
    ids=["short", "soak"],
)
def test_five_targets_before_three_cameras_get_equal_turns_for_ever(seconds: float) -> None:
    node = start_node(DOMAIN, cameras=list(PICTURES), max_rate=0.0, query_timeout=60.0)
    witness, cost = Witness(DOMAIN, PICTURES), Cost(node.pid)
    try:
        witness.meet()
        witness.instruct(LINES["front"])
        witness.instruct(LINES["rear"], "rear")
        with cameras(DOMAIN):
            for camera, lines in LINES.items():
                witness.serves(camera, lines)
            wait_for("each answered", lambda: len(_turns(witness.answered())) == 15, 120.0)
            cost.during(min(60.0, seconds / 5.0))
            cost.notes.clear()
            before, heard = len(witness.answered()), len(witness.statuses)
            cost.during(seconds)
            answers, said = witness.answered()[before:], witness.statuses[heard:]
            others = [status for status in said if status["outcome"] in ("stale", "error")]
    finally:
        witness.close()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output
    turns = _turns(answers)
    of_camera, of_line = Counter[str](), Counter[tuple[str, str]]()
    for (camera, line), count in turns.items():
        of_camera[camera] += count
        of_line[camera, line] += count
    ages = [float(status["age_ms"]) for status in answers]
    print(
        table(
            f"Five targets before three cameras, {seconds:.0f} s",
            [
                ("answers", f"{len(answers)}, {len(answers) / seconds:.2f} a second"),
                ("of a target before a camera", f"{min(turns.values())} to {max(turns.values())}"),
                ("of a camera", f"{min(of_camera.values())} to {max(of_camera.values())}"),
                ("found", sum(status["outcome"] == "found" for status in answers)),
                ("age of an image, median and most", f"{statistics.median(ages):.0f} and {max(ages):.0f} ms"),
                ("stale or failed", len(others)),
                *cost.rows(),
            ],
        )
    )
    assert not others, others[:3]
    assert len(turns) == 15
    assert _fair(turns, EDGE)
    assert _fair(of_camera, EDGE * len(LINES["front"]))
    assert cost.steady()


def _turns(answers: list[dict[str, str]]) -> Counter[tuple[str, str]]:
    """Count the answers of each target before each camera."""
    return Counter((status["camera"], status["instruction"]) for status in answers)


def _fair(counted: Counter[str] | Counter[tuple[str, str]], edge: int) -> bool:
    """Tell whether the most and the fewest lie within a tenth of the mean, or of the edge that is luck."""
    spread = max(counted.values()) - min(counted.values())
    return spread <= max(edge, 0.1 * statistics.mean(counted.values()))
