"""Runs a command, and ends it with everything that it started when the guard's standard input closes.

    python guard.py GRACE COMMAND [ARGUMENT...]

GRACE is how many seconds what runs may take to end when it is asked to, before it is killed.

The node holds the other end of that pipe, so the engine ends with the node however the node ends, `kill -9`
included.  The command gets a process group of its own; what leaves the group is found as an adopted child (Linux).
The exit status is the command's, or 128 + the signal that ended it.  Needs nothing but the standard library.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def prctl(option: int, value: int) -> None:
    """Call Linux's prctl; elsewhere do nothing."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def children() -> list[int]:
    """List the processes whose parent is this one."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def send(signal_number: int, child: subprocess.Popen[bytes]) -> None:
    """Signal the command's group, and every process that this one adopted."""
    for target in [-child.pid, *(pid for pid in children() if pid != child.pid)]:
        try:
            os.kill(target, signal_number)
        except (ProcessLookupError, PermissionError):
            continue


def reap(child: subprocess.Popen[bytes]) -> bool:
    """Collect what has ended, and say whether anything still runs."""
    child.poll()
    for pid in children():
        if pid != child.pid:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return bool(children())
    except PermissionError:
        return True
    return True


def end(child: subprocess.Popen[bytes], grace: float) -> None:
    """Ask everything to end, and kill after the grace what still runs."""
    send(signal.SIGTERM, child)
    deadline = time.monotonic() + grace
    while reap(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    for _ in range(50):
        if not reap(child):
            break
        send(signal.SIGKILL, child)
        time.sleep(0.02)


def main(grace: float, command: list[str]) -> int:
    """Run the command until it ends or standard input closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    prctl(PR_SET_CHILD_SUBREAPER, 1)

    # Each signal writes a byte, so that the end of the command wakes the select below.
    awake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def prepare() -> None:
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=prepare)
    except OSError as error:
        print(f"cannot start {command[0]!r}: {error.strerror}", file=sys.stderr)
        return 127
    while child.poll() is None:
        ready = select.select([0, awake], [], [])[0]
        if 0 in ready and not os.read(0, 4096):
            break
        if awake in ready:
            os.read(awake, 4096)
    status = child.poll()
    end(child, grace)
    if status is None:
        status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
