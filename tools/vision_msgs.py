"""Builds interfaces/vision_msgs into the running environment, which must hold the ROS 2 wheels.

    .venv/bin/python tools/vision_msgs.py

The wheels bring the message generators but not vision_msgs itself; tools/setup.sh calls this once.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "interfaces" / "vision_msgs"
PREFIX = Path(sys.prefix)
BUILD = PREFIX / "build" / "vision_msgs"

# The wheels were exported on their builder's machine, and their CMake files still name its folders.
_PYTHON_INCLUDE = re.compile(r"/opt/python/[^/;\" )]+/include/python3\.[0-9]+")
_NUMPY_INCLUDE = re.compile(r"/opt/python/[^/;\" )]+/lib/python3\.[0-9]+/site-packages/numpy/_core/include")


def repair_cmake_exports(share: Path) -> int:
    """Points the wheels' CMake files at this environment's Python and NumPy; returns how many were changed."""
    import numpy

    changed = 0
    for path in share.glob("*/cmake/*.cmake"):
        text = path.read_text()
        repaired = _NUMPY_INCLUDE.sub(numpy.get_include(), text)
        repaired = _PYTHON_INCLUDE.sub(sysconfig.get_path("include"), repaired)
        if repaired != text:
            # uv links files from its cache, which other environments share: a new file leaves that one as it was.
            new = path.with_suffix(".new")
            new.write_text(repaired)
            new.replace(path)
            changed += 1
    return changed


def build() -> None:
    """Generates, compiles and installs the messages; a failing step ends the program with its output."""
    scripts = sysconfig.get_path("scripts")
    environment = os.environ | {
        "AMENT_PREFIX_PATH": str(PREFIX),
        "PATH": scripts + os.pathsep + os.environ.get("PATH", ""),
    }
    environment.pop("PYTHONPATH", None)
    configure = [
        "cmake", "-S", str(SOURCE), "-B", str(BUILD), "-G", "Ninja", "-Wno-dev",
        f"-DCMAKE_PREFIX_PATH={PREFIX}", f"-DCMAKE_INSTALL_PREFIX={PREFIX}",
        f"-DPython3_EXECUTABLE={sys.executable}", "-DBUILD_TESTING=OFF", "-DCMAKE_BUILD_TYPE=Release",
    ]  # fmt: skip
    for command in (configure, ["cmake", "--build", str(BUILD), "--target", "install"]):
        result = subprocess.run(command, env=environment, text=True, capture_output=True)
        if result.returncode:
            output = (result.stdout + result.stderr)[-6000:]
            sys.exit(f"{output}\nvision_msgs did not build: {' '.join(command)} failed")


def check() -> None:
    """Ends the program unless a message can be imported and put on the wire."""
    program = (
        "from rclpy.serialization import serialize_message;"
        "from vision_msgs.msg import Detection2DArray;"
        "serialize_message(Detection2DArray())"
    )
    if subprocess.run([sys.executable, "-c", program]).returncode:
        sys.exit("vision_msgs was built but does not load: remove .venv and set up again")


if __name__ == "__main__":
    repair_cmake_exports(PREFIX / "share")
    build()
    check()
