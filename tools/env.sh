#!/usr/bin/env bash
# The environment of everything in this checkout: source it, or run one command in it.
#
#   source tools/env.sh         from then on, egm is a command
#   tools/env.sh python -m egm_core.ground IMAGE "the red mug"
#
# Where the ROS 2 wheels are in use, this says ahead where their libraries lie; they would otherwise find out
# by starting every Python twice.
EGM_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Last comes tools, which has the command egm.
export PATH="$EGM_ROOT/.venv/bin:$PATH:$EGM_ROOT/tools"
export PYTHONPATH="$EGM_ROOT${PYTHONPATH:+:$PYTHONPATH}"
export MUJOCO_GL="${MUJOCO_GL:-egl}"
# Images of containers set this to stay small. Every process would then compile torch's and our sources anew, which takes
# seconds each; bytecode lies in __pycache__ folders of .venv and of this checkout.
unset PYTHONDONTWRITEBYTECODE
if [ "$(cat "$EGM_ROOT/.venv/stamps/origin" 2>/dev/null)" = wheels ]; then
  libraries=$EGM_ROOT/.venv/lib
  for folder in "$EGM_ROOT"/.venv/lib/python3.*/site-packages/ros_*.libs; do libraries=$libraries:$folder; done
  export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
  export AMENT_PREFIX_PATH="$EGM_ROOT/.venv"
  unset libraries folder
fi
if [ "${BASH_SOURCE[0]}" = "$0" ]; then exec "$@"; fi
