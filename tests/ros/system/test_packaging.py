"""What pip and colcon make of the checkout: the wheel's content, an installation that works elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGED = (".json", ".jinja", ".safetensors", ".yaml", ".txt", ".jpg", ".md")


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    result = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=os.environ | environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git has or would have, so that building leaves nothing in the real one."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    copy = tmp_path_factory.mktemp("source") / "egm_ros"
    for name in run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def distribution(checkout: Path, target: Path) -> Path:
    """Make the source distribution."""
    run(sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", target, cwd=checkout)
    (source,) = target.glob("*.tar.gz")
    return source


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as pip makes it of a source distribution, which so proves to be whole."""
    target = tmp_path_factory.mktemp("wheel")
    source = distribution(checkout, target)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet")
    run(*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", target, source, cwd=target)
    (made,) = target.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index")
    run(*pip, "--no-deps", "--target", target, wheel, cwd=target)
    return target


def test_the_wheel_holds_every_module_and_what_they_read(checkout: Path, wheel: Path) -> None:
    content = set(zipfile.ZipFile(wheel).namelist())
    for package in ("egm_core", "egm_ros"):
        files = [path for path in (checkout / package).rglob("*") if path.suffix in (".py", ".typed", *PACKAGED)]
        missing = {path.relative_to(checkout).as_posix() for path in files} - content
        assert not missing, f"not in the wheel: {sorted(missing)}"
    assert not [name for name in content if name.startswith(("tests/", "tools/", "interfaces/"))]
    shared = {re.sub(r".*\.data/data/", "", name) for name in content if ".data/data/" in name}
    wanted = ["package.xml", "config/grounding.yaml", "config/fastdds_shm.xml", "launch/grounding.launch.py"]
    wanted += ["config/egm_ros.rviz", "config/egm_ros.foxglove.json"]
    wanted += [path.relative_to(checkout).as_posix() for path in (checkout / "training").rglob("*.yaml")]
    assert {f"share/egm_ros/{name}" for name in wanted} <= shared
    assert "share/ament_index/resource_index/packages/egm_ros" in shared


def test_the_source_distribution_has_all_that_builds_and_tests_it(checkout: Path, tmp_path: Path) -> None:
    with tarfile.open(distribution(checkout, tmp_path)) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    missing = {
        path.relative_to(checkout).as_posix()
        for path in checkout.rglob("*")
        if path.is_file() and not (unpacked / path.relative_to(checkout)).is_file()
    }
    # What is made while it is built, and what is for git and its server alone.
    missing = {name for name in missing if not name.startswith(("build/", "egm_ros.egg-info/", ".git", ".ci/"))}
    assert not missing, f"not in the source distribution: {sorted(missing)}"
    tests = ("tests/core/test_boxes.py", "tests/ros/interface/test_parameters.py")
    said = run(
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *tests,
        cwd=unpacked,
        PYTHONPATH=f"{unpacked}:{os.environ.get('PYTHONPATH', '')}",
    )
    assert "passed" in said and "failed" not in said


def test_the_installation_works_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    program = (
        "import egm_core, egm_core.models.folder as folder, egm_ros.camera.sources as sources\n"
        "print(egm_core.__file__)\n"
        "print(folder.load_info(folder.resolve('egm_tiny')).name)\n"
        "print(len(list(sources.clip('street').frames())))\n"
    )
    output = run(sys.executable, "-c", program, cwd=tmp_path, PYTHONPATH=str(installed)).splitlines()
    assert Path(output[0]).is_relative_to(installed)
    assert output[1] == "egm_tiny"
    assert int(output[2]) > 20
    verbs = run(sys.executable, "-m", "egm_core", "--help", cwd=tmp_path, PYTHONPATH=str(installed))
    assert all(f"\n  {verb} " in verbs for verb in ("ground", "doctor", "demo", "record"))


def test_the_node_asks_for_no_pytorch_and_the_versions_agree(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (entry for entry in archive.namelist() if entry.endswith("METADATA"))
    metadata = archive.read(name).decode()
    plain = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert {re.split(r"[ <>=;]", line.split(": ")[1])[0] for line in plain} == {
        "numpy",
        "opencv-python-headless",
        "httpx",
        "jinja2",
        "PyYAML",
    }
    version = re.search(r"^Version: (.*)$", metadata, re.MULTILINE)
    assert version is not None
    manifest = ElementTree.parse(ROOT / "package.xml").getroot()
    # ROS takes three numbers only, so a version in the making is written there as what it will be.
    assert manifest.findtext("version") == version.group(1).partition(".dev")[0]
    assert f'__version__ = "{version.group(1)}"' in (ROOT / "egm_core" / "__init__.py").read_text()
    entries = archive.read(name.replace("METADATA", "entry_points.txt")).decode()
    programs = {"grounding", "camera", "overlay", "propagation", "lifting", "egm"}
    assert programs <= set(re.findall(r"^(\w+) =", entries, re.MULTILINE))


def test_nodes_start_without_pytorch(tmp_path: Path) -> None:
    """The node's process must do with NumPy, OpenCV and an HTTP client: PyTorch is the engine's affair."""
    program = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'mujoco'): sys.modules[name] = None\n"
        "import egm_ros.camera, egm_ros.overlay, egm_ros.grounding, egm_ros.propagation, egm_ros.lifting\n"
    )
    run(sys.executable, "-c", program, cwd=tmp_path, PYTHONPATH=f"{ROOT}:{os.environ.get('PYTHONPATH', '')}")


def test_the_package_manifest_is_what_ros_expects() -> None:
    package = pytest.importorskip("catkin_pkg.package", reason="no catkin_pkg")
    manifest = package.parse_package(str(ROOT))
    manifest.validate()
    assert manifest.package_format == 3
    assert manifest.get_build_type() == "ament_python"
    assert imported() <= {depend.name for depend in manifest.exec_depends} | {"python3-yaml"}
    interfaces = package.parse_package(str(ROOT / "interfaces" / "vision_msgs"))
    interfaces.validate()
    # A robot's ROS has this one, and what else lies in interfaces/ is to be built.
    assert (ROOT / "interfaces" / "vision_msgs" / "COLCON_IGNORE").exists()
    assert not (ROOT / "interfaces" / "COLCON_IGNORE").exists()


def imported() -> set[str]:
    """Name the ROS packages that the nodes and launch files import, by rosdep's names."""
    renamed = {
        "tf2_ros": "tf2_ros_py",
        "yaml": "python3-yaml",
        "cv2": "python3-opencv",
        "numpy": "python3-numpy",
        "httpx": "python3-httpx",
        "jinja2": "python3-jinja2",
    }
    # The last four are used where they are there: the nodes run without them.
    known = sys.stdlib_module_names | {"egm_core", "egm_ros", "cv_bridge", "rosbags", "mujoco", "egm_msgs"}
    names = {"ros2launch"}
    for path in (path for folder in ("egm_ros", "launch", "examples") for path in (ROOT / folder).rglob("*.py")):
        text = path.read_text()
        names |= set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
        names |= set(re.findall(r"import_module\(\"(\w+)\"\)", text))
    return {renamed.get(name, name) for name in names - known}


def test_the_requirements_are_pinned() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        for line in path.read_text().splitlines():
            pin = r"[\w.-]+(\[\w+\])?==[\w.]+( ; .+)?"
            assert not line or line.startswith("#") or re.fullmatch(pin, line), line


def test_the_lock_holds_every_pin_and_nothing_that_differs_by_index() -> None:
    def pins(name: str) -> dict[str, str]:
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        found = (re.match(r"([\w.-]+)(?:\[\w+\])?==([\w.]+)", line) for line in lines)
        return {canonicalize_name(pin[1]): pin[2] for pin in found if pin}

    lock = pins("lock.txt")
    asked = pins("base.txt") | pins("dev.txt") | pins("ros.txt")
    assert {name: lock.get(name) for name in asked} == asked, "run tools/lock.sh"
    assert not {"torch", "torchvision", "triton"} & set(lock)
    assert not [name for name in lock if name.startswith("nvidia-")]


def test_a_second_set_up_ends_at_once_and_changes_nothing() -> None:
    stamps = ROOT / ".venv" / "stamps"
    if not (stamps / "requirements").exists():
        pytest.skip("the environment was not made by tools/setup.sh")
    own = str(ROOT / ".venv")
    if (stamps / "origin").read_text() == "wheels" and os.environ.get("AMENT_PREFIX_PATH", own) != own:
        pytest.skip("another ROS is sourced beside the environment's own: setting up would begin anew")
    before = {path.name: path.stat().st_mtime_ns for path in stamps.iterdir() if path.name != "origin"}
    run(ROOT / "tools" / "setup.sh", cwd=ROOT)
    assert before == {path.name: path.stat().st_mtime_ns for path in stamps.iterdir() if path.name != "origin"}


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--symlink-install"]], ids=["copies", "links"])
def test_colcon_builds_it(checkout: Path, tmp_path: Path, options: list[str]) -> None:
    if shutil.which("colcon") is None:
        pytest.skip("no colcon: it comes with a ROS installation (or pip install colcon-common-extensions)")
    (tmp_path / "src").mkdir()
    shutil.copytree(checkout, tmp_path / "src" / "egm_ros")
    run("colcon", "build", *options, cwd=tmp_path)
    installed = tmp_path / "install" / "egm_ros"
    assert {path.name for path in (installed / "lib" / "egm_ros").iterdir()} >= {"grounding", "camera", "overlay"}
    assert (installed / "share" / "egm_ros" / "launch" / "grounding.launch.py").is_file()
    assert not (tmp_path / "install" / "vision_msgs").exists()


def test_the_set_up_finds_its_folder_through_a_link(checkout: Path, tmp_path: Path) -> None:
    """As colcon does with --symlink-install, on machines without colcon, too."""
    for name in ("setup.py", "setup.cfg", "package.xml", "egm_core", "egm_ros"):
        (tmp_path / name).symlink_to(checkout / name)
    said = run(sys.executable, "setup.py", "--quiet", "--name", "--version", cwd=tmp_path).split()
    assert said == ["egm_ros", PROJECT["version"]]
    run(sys.executable, "setup.py", "--quiet", "egg_info", cwd=tmp_path)
    assert (tmp_path / "egm_ros.egg-info" / "top_level.txt").read_text().split() == ["egm_core", "egm_ros"]
    programs = (tmp_path / "egm_ros.egg-info" / "entry_points.txt").read_text()
    groups = [PROJECT["scripts"], *PROJECT["entry-points"].values()]
    assert set(re.findall(r"^(\w+) = ", programs, re.MULTILINE)) == {name for group in groups for name in group}


def test_what_is_pinned_is_within_what_pip_is_asked_for() -> None:
    """The checkout's environment is one that the extras allow, so what was tested is what users can have."""
    bounds = [Requirement(text) for extra in PROJECT["optional-dependencies"].values() for text in extra]
    bounds += [Requirement(text) for text in PROJECT["dependencies"]]
    pinned = {}
    for name in ("base.txt", "torch.txt", "dev.txt"):
        for line in (ROOT / "requirements" / name).read_text().splitlines():
            if line and not line.startswith("#"):
                package, version = line.split("==")
                pinned[canonicalize_name(package)] = version
    asked = {canonicalize_name(bound.name): bound.specifier for bound in bounds}
    outside = {name: pinned[name] for name in asked if name in pinned and pinned[name] not in asked[name]}
    assert not outside
    assert set(asked) - set(pinned) == {"egm-ros", "ray"}


@pytest.mark.slow
@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", "docs/start/robot.md"])
def test_colcon_builds_our_messages_by_the_line_of_each_page(checkout: Path, tmp_path: Path, page: str) -> None:
    """Colcon does not look below a package, and the checkout's root is one."""
    if shutil.which("colcon") is None:
        pytest.skip("no colcon: it comes with a ROS installation (or pip install colcon-common-extensions)")
    (line,) = re.findall(r"^(?:cd ~/ws && )?(colcon build .*interfaces.*)$", (ROOT / page).read_text(), re.MULTILINE)
    shutil.copytree(checkout, tmp_path / "src" / "egm_ros")
    prefixes = os.environ.get("CMAKE_PREFIX_PATH", os.environ.get("AMENT_PREFIX_PATH", "").replace(":", ";"))
    run("bash", "-c", line, cwd=tmp_path, CMAKE_PREFIX_PATH=prefixes)
    made = {path.name for path in (tmp_path / "install").iterdir() if path.is_dir()}
    assert made == {"egm_ros", "egm_msgs"}
    assert list((tmp_path / "install" / "egm_msgs").rglob("egm_msgs/action/_ground.py"))
