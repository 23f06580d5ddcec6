"""An engine below a node: what it is told to do, and how long its answers take."""

from __future__ import annotations

from domains import UNCLAIMED
from lifecycle_msgs.msg import Transition
from running import request, scripted, url_of

OTHER_DOMAIN = UNCLAIMED
HEALTH_TIMEOUT = 3.0
LIVE = {
    "query_timeout": 5.0,
    "max_rate": 0.0,
    "max_pixels": 0,
    "free_on_deactivate": False,
    "failure_limit": 3,
    "restart_limit": 3,
    "restart_window": 300.0,
}
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


def script(node, **settings) -> dict:
    """Tell the engine below the node what to do from now on."""
    (engine,) = scripted(node.pid)
    return request(f"{url_of(engine)}/script", settings)
