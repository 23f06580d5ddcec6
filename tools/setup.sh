#!/usr/bin/env bash
# Makes .venv ready: checks the machine, installs the pinned requirements, builds the messages of interfaces/.
#
#   tools/setup.sh
#
# A second call finds its stamps and ends at once; a changed requirement is installed again.
#   PYTHON            the Python to use (3.11 or newer; where a ROS 2 is sourced: its own)
#   TORCH_INDEX_URL   an index for torch alone, e.g. one of CPU builds
#   UV                uv to install with instead of pip, as in UV=uv; it is quicker, and does not read pip's settings
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
stamps=$venv/stamps
requirements=$root/requirements

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# A ROS 2 is sourced unless the only trace of one is this environment's own (tools/env.sh).
ros_sourced() { [ -n "${ROS_DISTRO:-}" ] || { [ -n "${AMENT_PREFIX_PATH:-}" ] && [ "$AMENT_PREFIX_PATH" != "$venv" ]; }; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
  local candidate
  if [ -n "${PYTHON:-}" ]; then
    new_enough "$PYTHON" || fail "PYTHON=$PYTHON does not run or is older than 3.11: name a newer one"
    echo "$PYTHON"
  elif ros_sourced; then
    for candidate in python3 /usr/bin/python3; do
      if "$candidate" -c 'import rclpy' >/dev/null 2>&1; then
        new_enough "$candidate" || fail "the Python of the sourced ROS 2 is older than 3.11: source a newer ROS 2, or none"
        echo "$candidate"
        return
      fi
    done
    fail "a ROS 2 is sourced but no python3 imports its rclpy: source its setup.bash again, or none at all"
  else
    for candidate in python3.11 python3 python3.12 python3.13; do
      if new_enough "$candidate"; then
        echo "$candidate"
        return
      fi
    done
    fail "Python 3.11 or newer is missing: apt install python3.11 python3.11-venv, or set PYTHON=/path/to/python3"
  fi
}

check_machine() {
  local include
  command -v make >/dev/null || fail "make is missing: apt install make"
  [ -z "${UV:-}" ] || command -v "$UV" >/dev/null || fail "UV=$UV does not run: pip install uv, or leave UV empty for pip"
  "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || fail "Python's venv is missing: apt install python3-venv"
  "$python" -c 'import ctypes; ctypes.CDLL("libEGL.so.1")' >/dev/null 2>&1 ||
    printf 'setup: EGL is missing, so nothing can be rendered (the demo replays its clips): %s\n' \
      'apt install libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri' >&2
  if ! ros_sourced; then
    command -v "${CXX:-g++}" >/dev/null || fail "a C++ compiler is missing: apt install g++"
    include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -f "$include/Python.h" ] || fail "Python.h is missing in $include: apt install python3-dev (or this Python's own)"
  else
    "$python" -c 'import vision_msgs.msg' >/dev/null 2>&1 ||
      fail "the sourced ROS 2 has no vision_msgs: apt install ros-${ROS_DISTRO:-jazzy}-vision-msgs"
  fi
}

# step NAME KEY COMMAND...: runs the command unless it has already succeeded with this key.
step() {
  local name=$1 key=$2
  shift 2
  if [ -f "$stamps/$name" ] && [ "$(cat "$stamps/$name")" = "$key" ]; then
    return
  fi
  printf 'setup: %s\n' "$name" >&2
  # Not "$@" || fail: bash would let a function go on after a command in it that failed.
  local status
  set +e
  (
    set -e
    "$@"
  )
  status=$?
  set -e
  [ "$status" = 0 ] || fail "$name failed (its output is above); run the same command again once that is mended"
  mkdir -p "$stamps"
  printf '%s' "$key" >"$stamps/$name"
}

key_of() { (cd "$requirements" && cat "$@" | sha256sum | cut -d' ' -f1); }

pip_install() {
  if [ -n "${UV:-}" ]; then
    "$UV" pip install --quiet --python "$venv/bin/python" "$@"
  else
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip install --quiet "$@"
  fi
}

install_torch() {
  local index=()
  [ -z "${TORCH_INDEX_URL:-}" ] || index=(--index-url "$TORCH_INDEX_URL")
  pip_install "${index[@]}" -r "$requirements/torch.txt"
}

install_rest() {
  local files=(-r "$requirements/base.txt" -r "$requirements/dev.txt")
  ros_sourced || files+=(-r "$requirements/ros.txt")
  pip_install -c "$requirements/lock.txt" "${files[@]}"
  pip_install --no-deps -r "$requirements/torchvision.txt"
}

make_venv() {
  rm -rf "$venv"
  if ros_sourced; then
    "$python" -m venv --system-site-packages "$venv"
  else
    "$python" -m venv "$venv"
  fi
}

origin=wheels
! ros_sourced || origin="ros ${ROS_DISTRO:-} ${AMENT_PREFIX_PATH:-}"

# An environment made for the other kind of ROS, or by another kind of Python, cannot be mended in place.
if [ ! -x "$venv/bin/python" ] || [ "$(cat "$stamps/origin" 2>/dev/null || echo wheels)" != "$origin" ]; then
  python=$(find_python)
  check_machine
  printf 'setup: a new environment in .venv, of %s; the first time takes a few minutes\n' "$("$python" --version)" >&2
  make_venv
fi
mkdir -p "$stamps"
printf '%s' "$origin" >"$stamps/origin"

step torch "$(key_of torch.txt) ${TORCH_INDEX_URL:-}" install_torch
step requirements "$(key_of base.txt dev.txt ros.txt torchvision.txt lock.txt)" install_rest
if ros_sourced; then
  "$venv/bin/python" -c 'import egm_msgs.action' >/dev/null 2>&1 ||
    printf 'setup: no egm_msgs, so ~/ground and ~/ground_image are not offered: %s\n' \
      'colcon build --base-paths . src/egm_ros/interfaces --packages-select egm_msgs, and source install/setup.bash again' >&2
else
  # The second needs the first.
  for package in vision_msgs egm_msgs; do
    definitions=$(cd "$root" && find "interfaces/$package" tools/interfaces.py -type f | sort | xargs cat | sha256sum | cut -d' ' -f1)
    step "$package" "$definitions $(key_of ros.txt)" "$venv/bin/python" "$root/tools/interfaces.py" "$package"
  done
fi
