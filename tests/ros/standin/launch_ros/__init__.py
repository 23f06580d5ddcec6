"""Stand-in of ROS 2 launch_ros; see the README beside it."""
