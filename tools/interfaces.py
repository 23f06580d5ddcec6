"""Builds packages of interfaces/ into the running environment, which must hold the ROS 2 wheels.

    .venv/bin/python tools/interfaces.py vision_msgs egm_msgs

The wheels bring the message generators but neither vision_msgs nor, of course, egm_msgs; tools/setup.sh calls this for
each package whose definitions have changed. A package that needs another comes after it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent / "interfaces"
PREFIX = Path(sys.prefix)

# The wheels were exported on their builder's machine, and their CMake files still name its folders.
_PYTHON_INCLUDE = re.compile(r"/opt/python/[^/;\" )]+/include/python3\.[0-9]+")
_NUMPY_INCLUDE = re.compile(r"/opt/python/[^/;\" )]+/lib/python3\.[0-9]+/site-packages/numpy/_core/include")

# Every message, service and action of a package goes on the wire once.
CHECK = """
import importlib, pathlib, sys
from rclpy.serialization import serialize_message
package, *names = sys.argv[1:]
for name in map(pathlib.Path, names):
    kind = getattr(importlib.import_module(f"{package}.{name.parent.name}"), name.stem)
    for part in {"msg": (), "srv": ("Request", "Response"), "action": ("Goal", "Result", "Feedback")}[name.parent.name]:
        serialize_message(getattr(kind, part)())
    if name.parent.name == "msg":
        serialize_message(kind())
"""


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


def build(package: str) -> None:
    """Generates, compiles and installs a package; a failing step ends the program with its output."""
    scripts = sysconfig.get_path("scripts")
    environment = os.environ | {
        "AMENT_PREFIX_PATH": str(PREFIX),
        "PATH": scripts + os.pathsep + os.environ.get("PATH", ""),
    }
    environment.pop("PYTHONPATH", None)
    folder = PREFIX / "build" / package
    configure = [
        "cmake", "-S", str(SOURCES / package), "-B", str(folder), "-G", "Ninja", "-Wno-dev",
        f"-DCMAKE_PREFIX_PATH={PREFIX}", f"-DCMAKE_INSTALL_PREFIX={PREFIX}",
        f"-DPython3_EXECUTABLE={sys.executable}", "-DBUILD_TESTING=OFF", "-DCMAKE_BUILD_TYPE=Release",
    ]  # fmt: skip
    for command in (configure, ["cmake", "--build", str(folder), "--target", "install"]):
        result = subprocess.run(command, env=environment, text=True, capture_output=True)
        if result.returncode:
            output = (result.stdout + result.stderr)[-6000:]
            sys.exit(f"{output}\n{package} did not build: {' '.join(command)} failed")


def check(package: str) -> None:
    """Ends the program unless all that the package defines can be imported and put on the wire."""
    definitions = [path for kind in ("msg", "srv", "action") for path in (SOURCES / package).glob(f"{kind}/*.{kind}")]
    if subprocess.run([sys.executable, "-c", CHECK, package, *map(str, definitions)]).returncode:
        sys.exit(f"{package} was built but does not load: remove .venv and set up again")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Builds packages of interfaces/ into the running environment.")
    parser.add_argument(
        "packages", nargs="+", choices=sorted(path.parent.name for path in SOURCES.glob("*/package.xml"))
    )
    chosen = parser.parse_args().packages
    repair_cmake_exports(PREFIX / "share")
    for name in chosen:
        build(name)
        check(name)
