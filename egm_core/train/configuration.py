"""Training configurations: YAML files over typed defaults, with `key=value` overrides.

A wrong key names the nearest right one, a wrong value says the range; `base:` in a file names another file
(relative to it) that it builds on. Meaning, unit and range stand beside the defaults, and help comes from there:
`minutes: float = setting(0.0, low=0, unit="min", description="when the run ends by the clock; 0: never")`.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException, ValidationError

from egm_core.arguments import plainly

T = TypeVar("T")
CLOSE = 0.75


class ConfigurationError(ValueError):
    """A training configuration that can't be used; the message names the key and the remedy.

    `key` is the setting to blame, where there is one: `located` tells the file and line that set it.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True)
class Range:
    """What values a setting takes: from `low` or above `above`, up to `high`, or one of `choices`.

    `allow` are values outside the range that mean something of their own.
    """

    low: float | None = None
    above: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    allow: tuple[Any, ...] = ()

    def holds(self, value: Any) -> bool:
        """Tell whether a value is in the range; NaN never is."""
        if value in self.allow:
            return True
        if self.choices:
            return value in self.choices
        bounds = (self.low, self.above, self.high)
        if bounds == (None, None, None):
            return True
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return (
            math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.above is None or value > self.above)
            and (self.high is None or value <= self.high)
        )

    def __str__(self) -> str:
        if self.choices:
            words = " or ".join(map(repr, self.choices))
        else:
            least = f"above {plainly(self.above)}" if self.above is not None else ""
            least = f"at least {plainly(self.low)}" if self.low is not None else least
            most = f"at most {plainly(self.high)}" if self.high is not None else ""
            words = "a number " + " and ".join(filter(None, (least, most)))
        return " or ".join([words, *map(repr, self.allow)])


def limits(*, changeable: bool = False, description: str = "", unit: str = "", **allowed: Any) -> dict[str, Any]:
    """Give the metadata of a field: its description, unit and `Range` (of a list: that of its elements).

    `changeable` settings may differ when a run resumes. For lists: `field(default_factory=..., metadata=limits(...))`.
    """
    return {"range": Range(**allowed), "changeable": changeable, "description": description, "unit": unit}


def setting(default: Any, *, changeable: bool = False, description: str = "", unit: str = "", **allowed: Any) -> Any:
    """Declare a field of a configuration with its default, its meaning, its unit and its range, in `Range`'s words."""
    return field(default=default, metadata=limits(changeable=changeable, description=description, unit=unit, **allowed))


def check(config: Any, prefix: str = "") -> None:
    """Hold every value of a configuration against its range; ConfigurationError names the key and the range."""
    for entry in dataclasses.fields(config):
        value, allowed = getattr(config, entry.name), entry.metadata.get("range")
        if dataclasses.is_dataclass(value):
            check(value, f"{prefix}{entry.name}.")
        key = f"{prefix}{entry.name}"
        named = value.items() if isinstance(value, dict) else ()
        for name, one in [(key, value), *((f"{key}.{part}", one) for part, one in named)]:
            for each in one if isinstance(one, list) else [one]:
                if isinstance(each, float) and not math.isfinite(each) and each not in getattr(allowed, "allow", ()):
                    raise ConfigurationError(f"{name} is {each!r}; it must be {_finite(allowed)}", key)
                if isinstance(allowed, Range) and not isinstance(value, dict) and not allowed.holds(each):
                    raise ConfigurationError(f"{name} is {each!r}; it must be {allowed}", key)


def _finite(allowed: Any) -> str:
    words = str(allowed) if isinstance(allowed, Range) else ""
    return words if words.removeprefix("a number ") else "a finite number"


def load(kind: type[T], path: Path | None, overrides: Sequence[str] = ()) -> T:
    """Read a configuration file (None: the defaults) into the dataclass `kind`, then apply `key=value` overrides.

    Raises ConfigurationError for unknown keys (naming the nearest), wrong types and values out of range.
    """
    layers = _layers(path) if path else []
    for override in overrides:
        if "=" not in override:
            raise ConfigurationError(f"override {override!r} is not of the form key=value")
    try:
        merged = OmegaConf.merge(OmegaConf.structured(kind), *layers, OmegaConf.from_dotlist(list(overrides)))
        result = OmegaConf.to_object(merged)
    except ConfigKeyError as error:
        wrong = str(error.full_key or error.key)
        raise ConfigurationError(located(path, wrong, overrides) + _unknown_key(kind, wrong), wrong) from error
    except ValidationError as error:
        key = str(error.full_key)
        where = located(path, key, overrides)
        raise ConfigurationError(f"{where}{key}: {str(error).splitlines()[0]}", key) from error
    except OmegaConfBaseException as error:
        raise ConfigurationError(f"{path}: {str(error).splitlines()[0]}") from error
    assert isinstance(result, kind)
    try:
        check(result)
    except ConfigurationError as error:
        raise ConfigurationError(f"{located(path, error.key, overrides)}{error}", error.key) from error
    return result


def located(path: Path | None, key: str, overrides: Sequence[str] = ()) -> str:
    """Say where a setting was set, as `file.yaml:12: `; empty where the command line did, or nobody.

    A file's `base` is looked into where the file itself does not set it.
    """
    if path is None or not key or any(word.split("=", 1)[0].strip() == key for word in overrides):
        return ""
    try:
        node: Any = yaml.compose(path.read_text(), yaml.SafeLoader)
    except (OSError, yaml.YAMLError):
        return ""
    base = None
    line = None
    for part in key.split("."):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        base = next((value.value for name, value in pairs if name.value == "base"), base)
        found = next(((name, value) for name, value in pairs if name.value == part), None)
        if found is None:
            line = None
            break
        node, line = found[1], found[0].start_mark.line + 1
    if line is not None:
        return f"{path}:{line}: "
    return located(path.parent / str(base), key) if base else ""


def _layers(path: Path) -> list[Any]:
    if not path.is_file():
        raise ConfigurationError(f"there is no configuration file {path}; the package's own lie in training/")
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}:1: a configuration file holds `key: value` lines, and this one does not")
    base = content.pop("base", None)
    below = _layers(path.parent / base) if base else []
    return [*below, OmegaConf.create(content)]


def strange(kind: type[Any], path: Path, overrides: Sequence[str] = ()) -> dict[str, str]:
    """Give the keys of a file and of overrides that `kind` does not know, with the known one that each comes near to.

    The near one is empty where there is none.
    """
    given = OmegaConf.merge(*_layers(path), OmegaConf.from_dotlist(list(overrides)))
    known = list(_keys(kind))
    # Closer than for a stage that is known: of four stages' keys some always look alike.
    return {key: _near(key, known, CLOSE) for key in _given(OmegaConf.to_container(given)) if key not in known}


def _given(content: Any, prefix: str = "") -> list[str]:
    """List the keys of a file, those of groups below their key."""
    found = []
    for name, value in content.items():
        found += _given(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return found


def _unknown_key(kind: type[Any], wrong: str) -> str:
    keys = list(_keys(kind))
    near = _near(wrong, keys)
    hint = f"; did you mean {near!r}?" if near else f"; the keys are {', '.join(keys)}"
    return f"unknown configuration key {wrong!r}{hint}"


def _near(wrong: str, keys: Sequence[str], cutoff: float = 0.5) -> str:
    whole, last = (difflib.get_close_matches(w, keys, n=1, cutoff=cutoff) for w in (wrong, wrong.rsplit(".", 1)[-1]))
    return (whole or last or [""])[0]


def _keys(kind: Any, prefix: str = "") -> list[str]:
    names = []
    for entry in dataclasses.fields(kind):
        names.append(prefix + entry.name)
        default: Any = entry.default_factory if entry.default_factory is not dataclasses.MISSING else None
        if dataclasses.is_dataclass(default):
            names += _keys(default, f"{prefix}{entry.name}.")
    return names
