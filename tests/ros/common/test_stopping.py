"""The request to stop, in a process of its own."""

import signal
import subprocess
import sys

import pytest

WAITER = """
import os, threading
from egm_ros.common.stopping import StopRequest
stop = StopRequest()
assert not stop
woken = threading.Event()
with stop.waking(woken.set):
    os.write(1, b"up\\n")
    assert woken.wait(20.0)
assert stop
os.write(1, b"stopped\\n")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_sets_the_flag_and_wakes(number):
    process = subprocess.Popen([sys.executable, "-c", WAITER], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    for _ in range(3):
        process.send_signal(number)
    assert process.communicate(timeout=30.0)[0] == "stopped\n"
    assert process.returncode == 0
