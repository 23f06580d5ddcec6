"""Packages egm_core and egm_ros, for pip and for colcon (ament_python) alike."""

from pathlib import Path

from setuptools import find_packages, setup

# colcon build --symlink-install runs this file by a link in its build folder.
ROOT = Path(__file__).resolve().parent
SHARE = "share/egm_ros"


def pins(name: str) -> dict[str, str]:
    """Read a requirements file as package -> pinned requirement."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return {line.split("==")[0]: line for line in lines if line and not line.startswith("#")}


def shared(folder: str, pattern: str) -> list[tuple[str, list[str]]]:
    """List a folder's files for installation below share/egm_ros, keeping its structure."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / folder).rglob(pattern)):
        relative = path.relative_to(ROOT)
        found.setdefault(f"{SHARE}/{relative.parent.as_posix()}", []).append(relative.as_posix())
    return list(found.items())


def needs(*names: str) -> list[str]:
    """Give requirements by lower bound: the pins are for the checkout's own environment."""
    return [LOWER.get(name) or (TORCH | BASE)[name].replace("==", ">=") for name in names]


TORCH, BASE = pins("torch.txt"), pins("base.txt")
# vLLM for GPUs (0.31) takes no transformers from 5.18 on, so the pin would shut it out.
LOWER = {"transformers": "transformers>=5.10.4"}

# A robot's ROS brings its own NumPy and OpenCV, so the node asks for no version of them.
NODE = ["numpy", "opencv-python-headless<5", "httpx", "jinja2", "PyYAML"]
ENGINE = needs("torch", "transformers", "accelerate", "safetensors", "pillow", "llguidance", "fastapi", "uvicorn")
SCENES = needs("mujoco", "pyarrow", "tqdm")
TRAIN = ENGINE + SCENES + needs("trl", "peft", "datasets", "omegaconf", "pyarrow", "tensorboard", "tqdm", "matplotlib")

setup(
    name="egm_ros",
    version="0.1.0",
    description="Grounds an instruction in a live camera stream: visible and amodal boxes from a VLM.",
    long_description="Visible and amodal boxes for an instruction, on ROS 2 topics.",
    maintainer="The egm_ros developers",
    maintainer_email="egm-ros@users.noreply.github.com",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["egm_core*", "egm_ros*"]),
    include_package_data=False,
    package_data={
        "egm_core": ["weights/**/*", "**/*.json", "**/*.jinja", "**/*.yaml", "py.typed"],
        "egm_ros": ["clips/**/*", "**/*.yaml"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/egm_ros"]),
        (SHARE, ["package.xml", "LICENSE"]),
        *shared("launch", "*.launch.py"),
        *shared("config", "*.*"),
        *shared("training", "*.yaml"),
        *shared("examples", "*.py"),
    ],
    install_requires=NODE,
    extras_require={
        "engine": ENGINE,
        "scenes": SCENES,
        "bags": needs("rosbags"),
        "train": TRAIN,
        # Scoring a training set on a cluster; ray is in none of the pinned environments.
        "ray": [*NODE, *needs("omegaconf", "pyarrow", "tqdm", "matplotlib"), "ray[data]>=2.60"],
        "all": [*TRAIN, *needs("rosbags")],
        # colcon test runs pytest only where a package asks for it.
        "test": ["pytest", "hypothesis"],
    },
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "grounding = egm_ros.commands:grounding",
            "camera = egm_ros.commands:camera",
            "overlay = egm_ros.commands:overlay",
            "propagation = egm_ros.commands:propagation",
            "lifting = egm_ros.commands:lifting",
            "egm = egm_core.command.entry:run",
        ],
        # Any package may add verbs to `egm`: a tuple of egm_core.command.verbs.Verb.
        "egm.verbs": ["egm_ros = egm_ros.verbs:VERBS"],
    },
)
