"""ROS 2 nodes around egm_core: grounding, camera, overlay."""
