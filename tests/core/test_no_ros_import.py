"""egm_core stands without ROS: no file of it names a ROS package, and all of it imports where there is none."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = sorted((ROOT / "egm_core").rglob("*.py"))
ROS = {
    "ament_index_python",
    "builtin_interfaces",
    "composition_interfaces",
    "cv_bridge",
    "diagnostic_msgs",
    "diagnostic_updater",
    "egm_ros",
    "geometry_msgs",
    "launch",
    "launch_ros",
    "lifecycle_msgs",
    "message_filters",
    "nav_msgs",
    "rcl_interfaces",
    "rclpy",
    "rosbag2_py",
    "rosidl_runtime_py",
    "rpyutils",
    "sensor_msgs",
    "std_msgs",
    "std_srvs",
    "tf2_ros",
    "vision_msgs",
    "visualization_msgs",
}

# What may import what: each part only those of a lower number, and itself.
LAYERS = {
    "__init__": 0,
    "boxes": 0,
    "assignment": 0,
    "torchvision_shim": 0,
    "console": 0,
    "notes": 0,
    "pictures": 1,
    "streams": 1,
    "families": 1,
    "thought_price": 2,
    "targets": 1,
    "sample": 2,
    "models": 3,
    "engines": 4,
    "asking": 5,
    "arguments": 5,
    "grounder": 5,
    "serve": 6,
    "supervise": 6,
    "servers": 0,
    "doctor": 1,
    "propagation": 6,
    # It carries boxes, and readers of data sets read by it.
    "recordings": 6.5,
    "lifting": 6,
    "scenes": 6,
    "tiny": 6,
    "reward": 6,
    "train": 8,
    "data": 7,
    "evaluate": 9,
    "curate": 10,
    "bench": 10,
    "command": 11,
    # What `python -m` starts, and nobody imports.
    "ground": 12,
    "__main__": 12,
}

IMPORT_ALL = """
import importlib.util, pkgutil, sys

class NoROS:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ROS:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

ROS = set(sys.argv[1:])
sys.meta_path.insert(0, NoROS())
import egm_core
names = [m.name for m in pkgutil.walk_packages(egm_core.__path__, "egm_core.", onerror=lambda name: None)]
for name in names:
    # A plugin of verl, which has an environment of its own (make test-verl).
    if name != "egm_core.train.rl.verl.internvl" or importlib.util.find_spec("verl"):
        importlib.import_module(name)
assert not ROS & {name.split(".")[0] for name in sys.modules}
print(len(names))
"""


def imports(path: Path) -> Iterator[str]:
    """Name every module that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where the arrows point"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_file_names_a_ros_package():
    named = {path.name: {n.split(".")[0] for n in imports(path)} & ROS for path in CORE}
    assert not {name: packages for name, packages in named.items() if packages}


def test_arrows_point_one_way():
    wrong = []
    for path in CORE:
        room = path.relative_to(ROOT / "egm_core").parts[0].removesuffix(".py")
        part = path.stem if path.stem == "__main__" else room
        assert part in LAYERS, f"give {part} its place among the layers"
        for name in imports(path):
            top, *inner = name.split(".")
            if top != "egm_core" or not inner or inner[0] in (part, "__version__"):
                continue
            if LAYERS[inner[0]] >= LAYERS[part]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


def test_everything_imports_where_there_is_no_ros():
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *sorted(ROS)], cwd=ROOT, capture_output=True, text=True, timeout=170
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) == len([p for p in CORE if p.parent != ROOT / "egm_core" or p.stem != "__init__"])
