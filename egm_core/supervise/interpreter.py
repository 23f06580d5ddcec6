"""Says before an engine is started whether it can be: which interpreter or program is missing, and what helps.

An engine that lacks a module would die at once, again with every restart, and its traceback would name a module but
no remedy.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys

from egm_core.supervise.process import server_environment

# What `egm_core.serve` imports.
MODULES = ("egm_core", "torch", "transformers", "safetensors", "PIL", "llguidance", "fastapi", "uvicorn")
PATIENCE = 60.0
_ASK = "import importlib.util, sys; print(*(n for n in sys.argv[1:] if importlib.util.find_spec(n) is None))"


def missing(command: str, python: str) -> str:
    """Say in a sentence why the server of these parameters cannot be started; empty where it can.

    `command` is `engine_command`; where it is empty, `python` (empty: the node's own) runs this package's server.
    """
    if command:
        program = shlex.split(command)[0]
        if shutil.which(os.path.expanduser(program)) is None:
            return f"engine_command: there is no program {program!r} on this machine's PATH"
        return ""
    try:
        absent = lacking(python)
    except (OSError, subprocess.SubprocessError) as error:
        return f"engine_python: {python!r} cannot be run: {_reason(error)}"
    if not absent:
        return ""
    return (
        f"no engine: {python or sys.executable} lacks {', '.join(absent)}, which this package's own server needs. Give"
        " engine_url, the address of a server that runs already; or engine_python, an interpreter that has them"
        " (python3 -m venv ~/egm_engine && ~/egm_engine/bin/pip install 'CHECKOUT_OF_EGM_ROS[engine]' makes"
        " ~/egm_engine/bin/python); or install them for this one"
    )


def lacking(python: str) -> list[str]:
    """Name the modules of the server that an interpreter (empty: this one) does not have."""
    if not python:
        return [name for name in MODULES if importlib.util.find_spec(name) is None]
    command = [os.path.expanduser(python), "-c", _ASK, *MODULES]
    environment = server_environment(python, os.environ)
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return answer.stdout.split()


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit status {error.returncode} {error.stderr.strip().splitlines()[-1:]}"
    return getattr(error, "strerror", None) or str(error)
