# Two objects of a street that is drawn, as fast as the engine answers. Ctrl-C ends all three.
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
python -m egm_ros.camera --ros-args -p source:=scene -p world:=street -p rate:=5.0 &
python -m egm_ros.grounding --ros-args -p max_rate:=0.0 &
python examples/several_targets.py "the blue car" "the red car"
