# Boxes of the camera `front` that are valid now, on /front/propagation/visible; lost boxes are asked about again.
python -m egm_ros.propagation --ros-args -r __ns:=/front -r image:=/front/image \
  -r grounding/visible:=/grounding/front/visible -r grounding/amodal:=/grounding/front/amodal \
  -r grounding/instruction_active:=/grounding/front/instruction_active -r grounding/status:=/grounding/status \
  -r "~/lost:=/grounding/front/refresh"
