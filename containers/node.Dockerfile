# The nodes, without an engine: ROS 2, and this package built by colcon as the README does.
# NEVER BUILT: there was no Docker where this was written. `make lint-containers` checks it as far as linters can.
#
#   docker build -f containers/node.Dockerfile -t egm_ros:jazzy .
#
# Base image: tags DISTRO-ros-base for amd64 and arm64, from https://github.com/osrf/docker_images/blob/master/ros/ros
ARG ROS_DISTRO=jazzy

FROM ros:${ROS_DISTRO}-ros-base AS build
# egm_msgs is made of vision_msgs.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends "ros-$ROS_DISTRO-vision-msgs" \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /ws/src/egm_ros
# All that setup.py takes; .dockerignore lets nothing else in.
COPY package.xml pyproject.toml setup.py setup.cfg LICENSE ./
COPY resource resource
COPY config config
COPY examples examples
COPY launch launch
COPY training training
COPY egm_core egm_core
COPY egm_ros egm_ros
COPY interfaces/egm_msgs interfaces/egm_msgs
WORKDIR /ws
RUN . "/opt/ros/$ROS_DISTRO/setup.sh" \
    && colcon build --base-paths . src/egm_ros/interfaces --packages-select egm_msgs egm_ros

FROM ros:${ROS_DISTRO}-ros-base
# What package.xml asks for beside ros-base. An archive of a distribution has one version of each at a time.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends \
      python3-httpx \
      python3-jinja2 \
      python3-numpy \
      python3-opencv \
      python3-yaml \
      "ros-$ROS_DISTRO-vision-msgs" \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /ws/install /ws/install
# The base image's entry point sources ROS, and from here on this workspace, too.
# hadolint ignore=SC2016
RUN sed --in-place --expression '$isource /ws/install/setup.bash --' /ros_entrypoint.sh
# Logs of ROS go where any user may write.
ENV ROS_HOME=/tmp/ros
USER 1000:1000
CMD ["ros2", "launch", "egm_ros", "grounding.launch.py"]
