"""The set-up says in one line what a machine lacks, and how to get it, before it makes anything."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("tools", "requirements", "interfaces"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def python(folder: Path, lacking: str) -> str:
    """A Python that fails at programs which mention a word."""
    path = folder / "python-that-lacks"
    path.write_text(f'#!/bin/sh\ncase "$*" in *{lacking}*) exit 1;; esac\nexec python3 "$@"\n')
    path.chmod(0o755)
    return str(path)


def said(checkout: Path, **environment: str) -> str:
    """What the set-up says; it must fail, and make no environment."""
    plain = {name: value for name, value in os.environ.items() if name not in ("ROS_DISTRO", "AMENT_PREFIX_PATH")}
    result = subprocess.run(
        [checkout / "tools" / "setup.sh"], env=plain | environment, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 1
    assert not (checkout / ".venv").exists()
    return result.stderr


def test_an_old_python(checkout: Path) -> None:
    assert "older than 3.11" in said(checkout, PYTHON=python(checkout, "version_info"))


def test_no_compiler(checkout: Path) -> None:
    assert "a C++ compiler is missing: apt install g++" in said(checkout, CXX="no-such-compiler")


def test_a_uv_that_is_asked_for_and_missing(checkout: Path) -> None:
    assert "UV=no-such-uv does not run: pip install uv" in said(checkout, UV="no-such-uv")


def test_no_venv_module(checkout: Path) -> None:
    assert "apt install python3-venv" in said(checkout, PYTHON=python(checkout, "ensurepip"))


def test_no_python_headers(checkout: Path) -> None:
    broken = checkout / "python-without-headers"
    broken.write_text('#!/bin/sh\ncase "$*" in *sysconfig*) echo /nowhere; exit;; esac\nexec python3 "$@"\n')
    broken.chmod(0o755)
    assert "Python.h is missing in /nowhere: apt install python3-dev" in said(checkout, PYTHON=str(broken))


def test_no_egl_is_said_but_is_not_the_end(checkout: Path) -> None:
    message = said(checkout, PYTHON=python(checkout, "EGL"), CXX="no-such-compiler")
    assert "EGL is missing" in message
    assert "apt install libegl1" in message
    assert "C++" in message


def test_a_ros_that_is_sourced_but_does_not_work(checkout: Path) -> None:
    message = said(checkout, ROS_DISTRO="jazzy", PYTHONPATH="", PATH="/bin:/usr/bin")
    assert "no python3 imports its rclpy" in message


def test_a_step_of_which_one_part_failed_is_not_done(checkout: Path) -> None:
    """A killed installation would otherwise count as whole, and the next set-up would skip it."""
    installer, log = checkout / "installer", checkout / "log"
    installer.write_text(f'#!/bin/sh\necho "$*" >>{log}\ncase "$*" in *lock.txt*) exit 143;; esac\n')
    installer.chmod(0o755)
    plain = {name: value for name, value in os.environ.items() if name not in ("ROS_DISTRO", "AMENT_PREFIX_PATH")}
    environment = plain | {"UV": str(installer)}
    done = subprocess.run(
        [checkout / "tools" / "setup.sh"], env=environment, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 1
    assert "setup: requirements failed" in done.stderr and "vision_msgs" not in done.stderr
    assert "torchvision.txt" not in log.read_text()
    assert {path.name for path in (checkout / ".venv/stamps").iterdir()} == {"origin", "torch"}


def test_only_the_messages_that_changed_are_built_again(checkout: Path) -> None:
    installer, log = checkout / "installer", checkout / "log"
    installer.write_text("#!/bin/sh\n")
    installer.chmod(0o755)
    (checkout / "tools" / "interfaces.py").write_text(
        f"import sys; print(*sys.argv[1:], file=open({str(log)!r}, 'a'))\n"
    )
    plain = {name: value for name, value in os.environ.items() if name not in ("ROS_DISTRO", "AMENT_PREFIX_PATH")}

    def built() -> list[str]:
        log.write_text("")
        command = [checkout / "tools" / "setup.sh"]
        subprocess.run(command, env=plain | {"UV": str(installer)}, check=True, capture_output=True, timeout=150)
        return log.read_text().split()

    assert built() == ["vision_msgs", "egm_msgs"]
    assert built() == []
    with open(checkout / "interfaces" / "egm_msgs" / "action" / "Ground.action", "a") as definition:
        definition.write("# more\n")
    assert built() == ["egm_msgs"]


def test_a_repaired_file_is_no_longer_the_one_that_uv_linked_from_its_cache(tmp_path: Path) -> None:
    text = 'set(x "/opt/python/cp311-cp311/include/python3.11")\n'
    cached = tmp_path / "cached.cmake"
    cached.write_text(text)
    linked = tmp_path / "share" / "some_msgs" / "cmake" / "export.cmake"
    linked.parent.mkdir(parents=True)
    linked.hardlink_to(cached)
    tool = runpy.run_path(str(ROOT / "tools" / "interfaces.py"))
    assert tool["repair_cmake_exports"](tmp_path / "share") == 1
    assert "/opt/python" not in linked.read_text()
    assert cached.read_text() == text


def test_bytecode_is_kept_whatever_the_machine_says() -> None:
    """Every process of the tests would otherwise compile torch's sources and ours anew."""
    told = subprocess.run(
        [ROOT / "tools" / "env.sh", "python3", "-c", "import sys; print(sys.flags.dont_write_bytecode)"],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == "0\n"
