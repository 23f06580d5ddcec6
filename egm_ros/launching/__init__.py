"""What the launch files are made of: arguments, the parameter file, nodes, and how a launch ends."""
