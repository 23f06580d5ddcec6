"""The engine's process: how it is started, and that nothing of it survives."""

import os
import signal
import subprocess
import sys
import time

from processes import alive, descendants, wait_for

from egm_core.supervise.process import GUARD, EngineProcess, free_port, server_environment, spelt

# A server that has a child in its group and one that left it for a session of its own, both deaf to SIGTERM.
FAMILY = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
up = "os.write(1, bytes((117, 112, 10)))"  # in one piece, for two write at once
deaf = f"import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {up}; time.sleep(600)"
subprocess.Popen([sys.executable, "-S", "-c", deaf])
subprocess.Popen([sys.executable, "-S", "-c", deaf], start_new_session=True)
time.sleep(600)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def start(code: str, grace: float = 3.0) -> tuple[EngineProcess, list[str]]:
    lines: list[str] = []
    return EngineProcess(python(code), os.environ, lines.append, grace), lines


def test_a_command_is_split_before_the_placeholders_are_filled_in():
    command = spelt("vllm serve {model} --port={port} --dtype 'bfloat16'", "my models/x", 8000)
    assert command == ["vllm", "serve", "my models/x", "--port=8000", "--dtype", "bfloat16"]


def test_our_own_interpreter_finds_the_core_and_a_foreign_one_is_left_alone():
    ours = server_environment("", {"PYTHONPATH": "/elsewhere"})["PYTHONPATH"].split(os.pathsep)
    assert os.path.isdir(os.path.join(ours[0], "egm_core"))
    assert ours[1:] == ["/elsewhere"]
    assert server_environment("/opt/python", {"PYTHONPATH": "/elsewhere"})["PYTHONPATH"] == "/elsewhere"


def test_what_an_engine_wants_set_gives_way_to_what_the_user_has_set():
    child = server_environment("/opt/python", {"A": "mine"}, {"A": "engine's", "B": "engine's"})
    assert (child["A"], child["B"]) == ("mine", "engine's")


def test_free_port_can_be_listened_on():
    assert 1024 <= free_port() <= 65535


def test_output_is_logged_and_the_end_is_told():
    process, lines = start("import sys; print('loading'); print('no memory', file=sys.stderr); sys.exit(3)")
    assert process.wait(10.0) == 3
    assert "exit status 3" in process.obituary()
    assert "no memory" in process.obituary()
    assert sorted(lines) == ["loading", "no memory"]
    process.stop()


def test_of_a_progress_bar_the_last_state_is_kept():
    process, lines = start(r"print('1%\r50%\r100%')")
    assert process.wait(10.0) == 0
    process.stop()
    assert lines == ["100%"]


def test_a_signal_is_told_as_such():
    process, _ = start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert process.wait(10.0) == 128 + signal.SIGKILL
    assert "by signal 9" in process.obituary()
    process.stop()


def test_a_missing_program_is_named():
    lines: list[str] = []
    process = EngineProcess(["/no/such/server"], os.environ, lines.append)
    assert process.wait(10.0) == 127
    assert "/no/such/server" in process.obituary()
    process.stop()


def test_stop_ends_all_that_the_server_started():
    process, lines = start(FAMILY, 0.3)
    wait_for("the family", lambda: lines.count("up") == 2)
    family = [process.pid, *descendants(process.pid)]
    assert len(family) == 4
    process.stop()
    assert not [pid for pid in family if alive(pid)]


def test_a_gentle_server_is_given_the_time_to_end():
    process, lines = start(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('goodbye', flush=True), sys.exit(0)))\n"
        "print('up', flush=True); time.sleep(600)"
    )
    wait_for("the server", lambda: "up" in lines)
    begun = time.monotonic()
    process.stop()
    assert time.monotonic() - begun < 2.5
    wait_for("its last words", lambda: "goodbye" in lines)


def test_nothing_survives_the_owner():
    owner = subprocess.Popen(
        python(
            "import subprocess, sys, time\n"
            f"command = [sys.executable, '-S', {str(GUARD)!r}, '0.3', sys.executable, '-S', '-c', {FAMILY!r}]\n"
            "subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)\n"
            "time.sleep(600)"
        ),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert [owner.stdout.readline(), owner.stdout.readline()] == ["up\n", "up\n"]
    family = descendants(owner.pid)
    assert len(family) == 4
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    wait_for("the end of the family", lambda: not [pid for pid in family if alive(pid)], 15.0)
    owner.stdout.close()


def test_nothing_survives_the_guard():
    process, lines = start("import time; print('up', flush=True); time.sleep(600)")
    wait_for("the server", lambda: "up" in lines)
    (server,) = descendants(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    wait_for("the end of the server", lambda: not alive(server), 10.0)
    process.stop()
