"""The libraries that each job imports, by the extra of this package that brings them."""

from __future__ import annotations

# Extra: the modules that it brings. "" is the package without an extra.
EXTRAS: dict[str, tuple[str, ...]] = {
    "": ("numpy", "cv2", "httpx", "jinja2", "yaml"),
    "engine": (
        "torch",
        "transformers",
        "accelerate",
        "safetensors",
        "PIL",
        "llguidance",
        "fastapi",
        "uvicorn",
    ),
    "scenes": ("mujoco", "pyarrow", "tqdm"),
    "data": ("pycocotools", "av", "tfrecord", "msgspec"),
    "train": ("trl", "peft", "datasets", "omegaconf", "matplotlib", "tensorboard"),
}
# Modules whose distribution has another name.
DISTRIBUTIONS = {"cv2": "opencv-python-headless", "PIL": "pillow", "yaml": "PyYAML", "tensorrt_llm": "tensorrt-llm"}
# What each job imports.
NODE = EXTRAS[""]
ENGINE = (*NODE, *EXTRAS["engine"])
SCENES = (*NODE, *EXTRAS["scenes"])
DATA = (*NODE, "PIL", "pyarrow", "tqdm", *EXTRAS["data"])
EVALUATE = (*ENGINE, *EXTRAS["scenes"], "matplotlib")
TRAIN = (*ENGINE, *EXTRAS["scenes"], *EXTRAS["train"])
# The Python packages of ROS 2 that nodes import.
ROS = (
    "rclpy",
    "rcl_interfaces",
    "lifecycle_msgs",
    "std_msgs",
    "std_srvs",
    "sensor_msgs",
    "geometry_msgs",
    "diagnostic_msgs",
    "visualization_msgs",
    "vision_msgs",
)
LAUNCH = ("launch", "launch_ros", "ament_index_python")
# What may be there beside: other engines, readers of recordings, and the action's messages.
OPTIONAL = ("egm_msgs", "vllm", "tensorrt_llm", "rosbags", "verl", "ray")


def known() -> tuple[str, ...]:
    """All libraries that are looked for."""
    return (*(name for names in EXTRAS.values() for name in names), *ROS, *LAUNCH, *OPTIONAL)


def extra_of(module: str) -> str:
    """Give the extra that brings a module; KeyError where none does."""
    for extra, names in EXTRAS.items():
        if module in names:
            return extra
    raise KeyError(module)
