"""What a user sees of each node: its topics, services, parameters and status keys. Nothing here imports ROS."""
