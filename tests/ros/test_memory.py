"""Reading memory from /proc."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from egm_ros.memory import below, resident, resident_tree

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no /proc")


def test_a_process_and_its_children_are_weighed_together():
    code = "import time; held = b'x' * 50_000_000; print('up', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        assert child.pid in below(os.getpid())
        assert resident(child.pid) > 50_000_000
        assert resident_tree(os.getpid()) >= resident(child.pid) + 1_000_000
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert resident(child.pid) == 0
    assert resident_tree(0) == 0
