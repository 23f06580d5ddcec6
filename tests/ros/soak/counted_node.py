"""The grounding node, which says every few seconds how many things of these kinds are alive: what is not freed adds up.

For example:

    python tests/ros/soak/counted_node.py --ros-args -p max_rate:=0.0
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import time
from collections import Counter

import rclpy.task
from rclpy.action.server import ServerGoalHandle

from egm_ros.grounding.asking.way import Query
from egm_ros.grounding.node import main

NAMES = {
    asyncio.Task: "asyncio.Task",
    rclpy.task.Task: "rclpy.Task",
    ServerGoalHandle: "ServerGoalHandle",
    Query: "Query",
}
PERIOD = 3.0


def count() -> None:
    """Print the counts, again and again, as a line of JSON each."""
    while True:
        gc.collect()
        living = Counter(kind for thing in gc.get_objects() for kind in NAMES if isinstance(thing, kind))
        print("living", json.dumps({name: living[kind] for kind, name in NAMES.items()}), flush=True)
        time.sleep(PERIOD)


if __name__ == "__main__":
    threading.Thread(target=count, daemon=True).start()
    sys.exit(main())
