"""Domains of ROS for tests: each is held by one test, or one module, of all that run on this machine."""

from __future__ import annotations

import fcntl
import itertools
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

# What a module's DOMAIN and OTHER_DOMAIN are until its tests begin; see `own_domains` of conftest.
UNCLAIMED = -1
# A domain is used again as late as may be: what a killed process leaves on it is taken for a living node for 20 s.
_NEXT = itertools.count(os.getpid())


def claim_domain() -> tuple[int, Any]:
    """Claim a domain id that no other test on this machine holds; above 101 its ports would not be free for sure."""
    for _ in range(100):
        domain = 1 + next(_NEXT) % 100
        lock = open(Path(tempfile.gettempdir()) / f"egm_ros_domain_{domain}.lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return domain, lock
    pytest.fail("all 100 ROS domain ids of this machine are in use by tests")
