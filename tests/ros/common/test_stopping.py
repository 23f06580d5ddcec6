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


HANDLER = """
import os, signal, threading, time
from egm_ros.common.stopping import StopRequest
stop = StopRequest()
heard, woken = [], threading.Event()
signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
with stop.waking(woken.set):
    os.write(1, b"up\\n")
    while not heard:
        time.sleep(0.01)
    print(woken.wait(1.0), bool(stop), flush=True)
    assert woken.wait(20.0)
print(bool(stop), flush=True)
"""


def test_a_signal_that_others_handle_is_no_request_to_stop():
    process = subprocess.Popen([sys.executable, "-c", HANDLER], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == "False False\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30.0)[0] == "True\n"
    assert process.returncode == 0
