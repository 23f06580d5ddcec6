"""Reading memory from /proc."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
from processes import descendants

from egm_ros.common.memory import below, resident, resident_tree

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


@pytest.mark.parametrize("listed", [below, descendants])
def test_children_are_found_while_threads_come_and_go(listed):
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    over = threading.Event()

    def churn():
        while not over.is_set():
            threads = [threading.Thread(target=time.sleep, args=(0.0005,)) for _ in range(8)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        missed = sum(child.pid not in listed(os.getpid()) for _ in range(1000))
    finally:
        over.set()
        thread.join()
        child.kill()
        child.wait()
    assert not missed


def test_what_was_freed_is_kept_for_the_next_image_if_wished():
    code = """
import os, sys
from egm_ros.common.memory import keep_freed, resident
print(keep_freed() if sys.argv[1] == "keep" else None)
images = [b"x" * 6_000_000 for _ in range(20)]
del images
print(resident(os.getpid()))
"""
    held = {}
    for how in ("keep", "give"):
        run = subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, timeout=60, check=True)
        set_up, memory = run.stdout.split()
        if set_up == "False":
            pytest.skip("no glibc")
        held[how] = int(memory)
    assert held["keep"] > 120_000_000 > 2 * held["give"], held
