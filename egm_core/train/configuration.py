"""Training configurations: YAML files over typed defaults, with `key=value` overrides.

A wrong key names the nearest right one, a wrong value says what is expected; `base:` in a file names another
file (relative to it) that it builds on.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException, ValidationError

T = TypeVar("T")


class ConfigurationError(ValueError):
    """A training configuration that can't be used; the message names the key and the remedy."""


def load(kind: type[T], path: Path, overrides: Sequence[str] = ()) -> T:
    """Read a configuration file into the dataclass `kind`, then apply `key=value` overrides.

    Raises ConfigurationError for unknown keys (naming the nearest), wrong types and values out of range.
    """
    layers = _layers(path)
    for override in overrides:
        if "=" not in override:
            raise ConfigurationError(f"override {override!r} is not of the form key=value")
    try:
        merged = OmegaConf.merge(OmegaConf.structured(kind), *layers, OmegaConf.from_dotlist(list(overrides)))
        result = OmegaConf.to_object(merged)
    except ConfigKeyError as error:
        raise ConfigurationError(_unknown_key(kind, error)) from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {error.full_key}: {str(error).splitlines()[0]}") from error
    except OmegaConfBaseException as error:
        raise ConfigurationError(f"{path}: {str(error).splitlines()[0]}") from error
    assert isinstance(result, kind)
    return result


def _layers(path: Path) -> list[Any]:
    if not path.is_file():
        raise ConfigurationError(f"there is no configuration file {path}; the package's own lie in training/")
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from error
    base = content.pop("base", None)
    below = _layers(path.parent / base) if base else []
    return [*below, OmegaConf.create(content)]


def _unknown_key(kind: type[Any], error: ConfigKeyError) -> str:
    keys = list(_keys(kind))
    wrong = str(error.full_key or error.key)
    near = difflib.get_close_matches(wrong, keys, n=1, cutoff=0.5) or difflib.get_close_matches(
        wrong.rsplit(".", 1)[-1], keys, n=1, cutoff=0.5
    )
    hint = f"; did you mean {near[0]!r}?" if near else f"; the keys are {', '.join(keys)}"
    return f"unknown configuration key {wrong!r}{hint}"


def _keys(kind: Any, prefix: str = "") -> list[str]:
    names = []
    for field in dataclasses.fields(kind):
        names.append(prefix + field.name)
        default: Any = field.default_factory if field.default_factory is not dataclasses.MISSING else None
        if dataclasses.is_dataclass(default):
            names += _keys(default, f"{prefix}{field.name}.")
    return names
