# A rendered street, the grounding node with the embedded model, and 3D boxes on /lifting/visible. Ctrl-C ends all three.
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
python -m egm_ros.camera --ros-args -p source:=scene -p world:=street -p rate:=2.0 &
python -m egm_ros.grounding --ros-args -p default_instruction:="the blue car" &
python -m egm_ros.lifting
