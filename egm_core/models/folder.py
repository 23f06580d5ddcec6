"""A model is a folder: safetensors, tokenizer and processor, chat template, and `egm.json`, which says what it is.

Grounder, node, server, evaluation and training all find and describe models through this module alone. A folder
without `egm.json`, such as one from a hub, is described by its `config.json`, and then counts as trained for
visible boxes only until its user declares more.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from egm_core import __version__
from egm_core.boxes import FRAME
from egm_core.families import FAMILIES, TASKS, Family, Task, family
from egm_core.families.known import family_of_config, fits
from egm_core.families.thinking import Thinking
from egm_core.models.chat_template import thinking_in
from egm_core.models.hub_cache import cached
from egm_core.pictures.pixels import FACTOR, fit

FORMAT = 1
FILE = "egm.json"
EMBEDDED = "egm_tiny"
WEIGHTS = "*.safetensors"
FILES = [WEIGHTS, "*.json", "*.jinja", "*.txt", "*.model"]

# Families whose processors cut a picture as it is into patches; vendors' names begin like theirs.
IN_PATCHES = ("qwen3_vl", "qwen3_5")
PROCESSORS = ("processor_config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class ModelInfo:
    """What a model is, what it was trained for, and how it is to be asked.

    `prompts` holds the wordings that differ from the family's. `max_pixels` is the pixel budget of a picture,
    `max_tokens` that of an answer; None leaves them to the engine's defaults. `factor` is the side of the patch group
    that a picture is cut into, by the folder's own processor; None is the family's. `domain` names a file of the
    folder, see `domain`. `path` is the folder, or None for a model that only its server has. `thinking` is how its
    chat template begins an answer; None where neither `egm.json` nor a template says. `stop_at_box` says that what the
    model writes behind a complete box tells nothing: its label repeats what was asked, and it never lists more boxes.
    That holds for words of its `domain`, where it has one.
    """

    name: str
    family: str
    tasks: tuple[Task, ...] = ("visible",)
    version: str = ""
    frame: float = FRAME
    prompts: dict[Task, str] = field(default_factory=dict)
    reasoning: bool = True
    max_pixels: int | None = None
    max_tokens: int | None = None
    factor: int | None = None
    domain: str | None = None
    license: str = ""
    path: Path | None = None
    thinking: Thinking | None = None
    stop_at_box: bool = False

    @classmethod
    def for_training(
        cls,
        name: str,
        family: str,
        *,
        tasks: Iterable[Task] = TASKS,
        reasoning: bool = False,
        max_pixels: int | None = None,
        max_tokens: int | None = 160,
        domain: str | None = None,
        license: str = "Apache-2.0",
    ) -> ModelInfo:
        """Describe a model of our own making; a base answers directly unless it was asked with reasoning."""
        return cls(
            name,
            family,
            tuple(tasks),
            __version__,
            reasoning=reasoning,
            max_pixels=max_pixels,
            max_tokens=max_tokens,
            domain=domain,
            license=license,
        )

    def trained(self, *, name: str, tasks: Iterable[Task], reasoning: bool = True) -> ModelInfo:
        """Describe the model that training makes of this one; it learns other things, so this one's domain goes."""
        made = replace(self, name=name, tasks=tuple(tasks), reasoning=reasoning, version=__version__)
        return replace(made, domain=None, path=None, stop_at_box=False)

    def adapted(self, adapter: str, task: Task) -> ModelInfo:
        """Describe this model under an adapter for a task; what its folder measured is not that."""
        tasks = tuple(dict.fromkeys((*self.tasks, task)))
        name = f"{self.name} with {adapter}"
        return replace(self, name=name, tasks=tasks, domain=None, path=None, stop_at_box=False)

    def declares(self, task: Task) -> bool:
        """Tell whether the model was trained for a task."""
        return task in self.tasks

    def prompt(self, sent: str, task: Task, several: bool = False) -> str:
        """Give the prompt for an expression, in the model's own wording or its family's.

        `several` asks for every object that it describes, always in the family's wording.
        """
        if several:
            return self.speaker.prompt_for_several(sent, task)
        own = self.prompts.get(task)
        return own.replace("{sent}", sent) if own else self.speaker.prompt(sent, task)

    def fit(self, image: NDArray[np.uint8], max_pixels: int | None = None) -> NDArray[np.uint8]:
        """Shrink a picture (H, W, 3) to the model's pixel budget, or to another one, in steps of its patch groups.

        Grounder, evaluation, calibration and scoring all send what this gives, so that a model sees the same pixels.
        """
        # InternVL cuts a picture into tiles of its own size; only the whole budget matters there.
        factor = self.factor or (FACTOR if self.family.startswith(IN_PATCHES) else 1)
        return fit(image, max_pixels or self.max_pixels, factor)

    @property
    def speaker(self) -> Family:
        """The family whose prompts and answers the model speaks."""
        return family(self.family)

    @property
    def domain_path(self) -> Path | None:
        """The file that says what the model was trained on, if it has one."""
        return self.path / self.domain if self.path and self.domain else None


def load_info(path: Path, tasks: Iterable[Task] | None = None, family: str | None = None) -> ModelInfo:
    """Read what a model folder says about itself; `tasks` and `family` declare other ones than it says.

    Raises FileNotFoundError where the folder is no model's, and ValueError for an `egm.json` or a family that
    can't be used; the message names the field and the remedy.
    """
    path = Path(path)
    file = path / FILE
    if file.is_file():
        info = replace(_from_json(_read_object(file), file), path=path)
    else:
        info = ModelInfo(name=path.name, family=_family_of(path, family), path=path)
    if family and not fits(info.family, family):
        raise ValueError(
            f"{file if file.is_file() else path / 'config.json'}: the model speaks {info.family}, and would be asked "
            f"as {family}; leave family away, or say so in {FILE} if it was trained to answer as that family does"
        )
    if info.thinking is None:
        info = replace(info, thinking=thinking_in(path))
    info = replace(info, factor=_factor(path) if info.family in IN_PATCHES else None)
    return replace(info, tasks=_tasks(list(tasks), "tasks")) if tasks is not None else info


def write_info(path: Path, info: ModelInfo) -> Path:
    """Write a model's `egm.json` into its folder, with every prompt spelt out, and give the file's path."""
    prompts: dict[Task, str] = {task: info.prompt("{sent}", task) for task in info.tasks}
    data = {
        "format": FORMAT,
        "name": info.name,
        "version": info.version,
        "family": info.family,
        "tasks": list(info.tasks),
        "frame": int(info.frame),
        "prompts": prompts,
        "reasoning": info.reasoning,
        "max_pixels": info.max_pixels,
        "max_tokens": info.max_tokens,
        "domain": info.domain,
        "license": info.license,
        "thinking": info.thinking.to_json() if info.thinking else None,
        "stop_at_box": info.stop_at_box,
    }
    file = Path(path) / FILE
    _from_json(data, file)
    file.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def resolve(name: str | Path, offline: bool = True) -> Path:
    """Find a model's folder: a local one, the embedded `egm_tiny`, or a hub's model that lies in its cache.

    With `offline=False` a hub's model is fetched. Raises FileNotFoundError with both ways to get a missing model.
    """
    if not str(name).strip():
        raise FileNotFoundError(f"no model was named; give a model folder, or {EMBEDDED!r} for the embedded one")
    folder = Path(name).expanduser()
    if folder.is_dir() and (str(name) != EMBEDDED or (folder / "config.json").is_file()):
        _check_folder(folder)
        return folder
    if str(name) == EMBEDDED:
        return _embedded()
    repository = str(name)
    is_hub_name = repository.count("/") == 1 and not folder.is_absolute() and repository[0] not in "./~"
    if is_hub_name and not offline:
        return _download(repository)
    kept = cached(repository) if is_hub_name else None
    if kept is not None:
        _check_folder(kept)
        return kept
    raise FileNotFoundError(_missing(repository, folder, is_hub_name))


def _embedded() -> Path:
    path = Path(str(resources.files("egm_core"))) / "weights" / EMBEDDED
    if not (path / "config.json").is_file() or not any(path.glob(WEIGHTS)):
        raise FileNotFoundError(
            f"this installation of egm_core lacks the weights of {EMBEDDED}; install it anew from a full checkout, "
            f"or train them: egm train pretrain --config training/{EMBEDDED}/pretrain.yaml"
        )
    return path


def _check_folder(folder: Path) -> None:
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds an adapter only; merge it into its base model, and name that folder")
    if not (folder / "config.json").is_file():
        inside = sorted(f.parent.name for f in folder.glob("*/config.json"))
        hint = f"did you mean {folder / inside[0]}?" if inside else "name a folder written by save_pretrained"
        raise FileNotFoundError(f"{folder} is no model folder, for it has no config.json; {hint}")
    if not any(folder.glob(WEIGHTS)):
        raise FileNotFoundError(
            f"{folder} has no {WEIGHTS} file; save the model with save_pretrained, which writes safetensors"
        )


def _download(repository: str) -> Path:
    try:
        import httpx
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise FileNotFoundError(
            f"fetching {repository!r} needs the package huggingface_hub; install it (pip install huggingface_hub), "
            "or download the model elsewhere and name its folder"
        ) from error
    try:
        return Path(snapshot_download(repository, allow_patterns=FILES))
    except (OSError, HFValidationError, LocalEntryNotFoundError, httpx.HTTPError) as error:
        raise FileNotFoundError(
            f"model {repository!r} could not be fetched from the hub ({_first_line(error)}); check the name and the "
            f"network, or bring the model yourself: {_by_hand(repository)}"
        ) from error


ONLINE = "downloads allowed (offline:=false for a node, --online for egm ground and serve)"


def _missing(name: str, folder: Path, is_hub_name: bool) -> str:
    beside = folder.parent if folder.parent.is_dir() else Path()
    known = [EMBEDDED, *(str(folder.parent / f.name) for f in beside.iterdir() if (f / "config.json").is_file())]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    if not is_hub_name:
        return (
            f"no model {name!r}: there is no such folder{hint}. Name a model folder that is on this machine, "
            f"{EMBEDDED!r}, or a hub name such as 'nvidia/EGM-8B' with {ONLINE}"
        )
    return (
        f"no model {name!r} on this machine{hint}. Either go on with {ONLINE}, or bring it yourself: {_by_hand(name)}"
    )


def _by_hand(repository: str) -> str:
    folder = f"models/{repository.split('/')[-1]}"
    return f"'hf download {repository} --local-dir {folder}' where there is a network, then name the folder {folder}"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _family_of(path: Path, told: str | None) -> str:
    file = path / "config.json"
    if not file.is_file():
        raise FileNotFoundError(f"{path} is no model folder: it has neither {FILE} nor config.json")
    config = _read_object(file)
    found = family_of_config(config) or told or ""
    if not found:
        raise ValueError(
            f"{file}: model_type {config.get('model_type')!r} belongs to no family that is spoken here "
            f"({', '.join(FAMILIES)}); if its answers are like one of them, in 0..1000, say which in {FILE} or with "
            "the parameter family"
        )
    return found


def _factor(path: Path) -> int | None:
    """Read from the folder's own processor how long the side of a patch group is; None where it does not say."""
    for name in PROCESSORS:
        if (path / name).is_file():
            data = _read_object(path / name)
            sizes = data.get("image_processor", data)
            sizes = sizes if isinstance(sizes, dict) else {}
            patch, merge = sizes.get("patch_size"), sizes.get("merge_size")
            if patch is None and merge is None:
                continue
            if not (isinstance(patch, int) and isinstance(merge, int) and patch > 0 and merge > 0):
                raise ValueError(
                    f"{path / name}: patch_size {patch!r} and merge_size {merge!r} must be positive whole numbers; "
                    "bring the model's own file"
                )
            return patch * merge
    return None


def _read_object(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON ({error}); mend it or write it anew") from error
    if not isinstance(data, dict):
        raise ValueError(f"{file} holds no JSON object; mend it or write it anew")
    return data


def _from_json(data: dict[str, Any], file: Path) -> ModelInfo:
    """Check every field of an `egm.json`; ValueError names the first bad one."""
    number = data.get("format")
    if number != FORMAT:
        raise ValueError(
            f"{file}: format is {number!r}, and this version of egm_ros reads format {FORMAT}; "
            "update egm_ros, or write the file anew with write_info"
        )

    def value(key: str, kind: type | tuple[type, ...], default: Any) -> Any:
        given = data.get(key, default)
        if not isinstance(given, kind) or (isinstance(given, bool) and kind is not bool):
            raise ValueError(f"{file}: {key} is {given!r}; it must be {_kind_name(kind)}")
        return given

    def budget(key: str) -> int | None:
        given = value(key, (int, type(None)), None)
        if given is not None and given < 1:
            raise ValueError(f"{file}: {key} is {given}; it must be positive or null")
        return cast("int | None", given)

    name = value("family", str, None)
    try:
        speaker = family(name)
    except ValueError as error:
        raise ValueError(f"{file}: {error} (supported: {', '.join(FAMILIES)})") from error
    if value("frame", (int, float), FRAME) != speaker.frame:
        raise ValueError(f"{file}: frame is {data['frame']!r}; {speaker.name} answers in 0..{speaker.frame:g}")
    prompts = value("prompts", dict, {})
    for task, prompt in prompts.items():
        if task not in TASKS or not isinstance(prompt, str) or "{sent}" not in prompt:
            raise ValueError(
                f"{file}: prompts[{task!r}] is {prompt!r}; give a text with {{sent}} for {' or '.join(TASKS)}"
            )
    thinking = value("thinking", (dict, type(None)), None)
    try:
        begins = Thinking.from_json(thinking) if thinking is not None else None
    except ValueError as error:
        raise ValueError(f"{file}: thinking is {error}") from error
    return ModelInfo(
        name=value("name", str, file.parent.name),
        family=speaker.name,
        tasks=_tasks(value("tasks", list, ["visible"]), f"{file}: tasks"),
        version=value("version", str, ""),
        frame=speaker.frame,
        prompts={task: text for task, text in prompts.items() if text != speaker.prompts[task]},
        reasoning=value("reasoning", bool, True),
        max_pixels=budget("max_pixels"),
        max_tokens=budget("max_tokens"),
        domain=value("domain", (str, type(None)), None),
        license=value("license", str, ""),
        thinking=begins,
        stop_at_box=value("stop_at_box", bool, False),
    )


def _kind_name(kind: type | tuple[type, ...]) -> str:
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return " or ".join(names.get(k, "null" if k is type(None) else "an object") for k in kinds)


def _tasks(given: list[Any], where: str) -> tuple[Task, ...]:
    wrong = [task for task in given if task not in TASKS]
    if wrong or not given:
        raise ValueError(f"{where}: {wrong or given} can't be; choose from {', '.join(TASKS)}")
    return tuple(task for task in TASKS if task in given)
