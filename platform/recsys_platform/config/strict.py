"""From nested mappings to dataclasses: every unknown key and every wrong value is reported at once, with its path."""

import dataclasses
import functools
import operator
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, cast, get_args, get_type_hints

import pydantic
import yaml

from recsys_model.errors import ConfigError

T = TypeVar("T")
IF_MISSING = "if_missing"
"""Metadata of a field: the way out where it is missing."""
MAPPING, OTHER = "(mapping)", "(other)"
"""Alternatives of a setting that is a section or another value; left out of reported paths."""


def build_section(cls: type[T], document: Mapping[str, Any], source: str) -> T:
    """Check a nested mapping and fill one settings class from it.

    Raises:
        ConfigError: any key or value is wrong; all of them are listed with their paths.
    """
    try:
        checked = _strict_model(cls).model_validate(dict(document))
    except pydantic.ValidationError as error:
        lines = [_describe(problem, cls) for problem in error.errors()]
        raise ConfigError(f"{source} is not valid:\n  " + "\n  ".join(lines)) from error
    problems: list[str] = []
    section = _build(cls, checked, problems)
    if section is None or problems:
        raise ConfigError(f"{source} is not valid:\n  " + "\n  ".join(problems))
    return section


def _strict_model(cls: type) -> type[pydantic.BaseModel]:
    """Mirror a dataclass, and those inside it, as pydantic models that reject unknown keys."""
    hints = get_type_hints(cls)
    fields: dict[str, Any] = {}
    for item in dataclasses.fields(cls):
        kind = _strict_type(hints[item.name])
        if item.default is not dataclasses.MISSING:
            fields[item.name] = (kind, item.default)
        elif item.default_factory is not dataclasses.MISSING:
            fields[item.name] = (kind, pydantic.Field(default_factory=dict, validate_default=True))
        else:
            fields[item.name] = (kind, ...)
    settings = pydantic.ConfigDict(extra="forbid", protected_namespaces=())
    return pydantic.create_model(cls.__name__, __config__=settings, **fields)


def _strict_type(hint: Any) -> Any:
    nested = _dataclass_in(hint)
    if nested is None:
        return hint
    model = _strict_model(nested)
    others = tuple(candidate for candidate in get_args(hint) if candidate is not nested)
    if not others or others == (type(None),):
        return model | None if others else model
    other = functools.reduce(operator.or_, others)
    return _annotated(_annotated(model, pydantic.Tag(MAPPING)) | _annotated(other, pydantic.Tag(OTHER)), CHOICE)


def _annotated(kind: Any, note: Any) -> Any:
    return Annotated[kind, note]


def _alternative(value: Any) -> str:
    return MAPPING if isinstance(value, (Mapping, pydantic.BaseModel)) else OTHER


CHOICE = pydantic.Discriminator(_alternative)
"""Tells a section from another value, so that only the problems of the meant alternative are reported."""


def _dataclass_in(hint: Any) -> type | None:
    """Return the dataclass among the alternatives of a hint, if there is one."""
    for candidate in (hint, *get_args(hint)):
        if isinstance(candidate, type) and dataclasses.is_dataclass(candidate):
            return candidate
    return None


def _build(cls: type[T], checked: pydantic.BaseModel, problems: list[str], path: str = "") -> T | None:
    """Fill the dataclass from its checked mirror; range errors are collected, not raised."""
    values: dict[str, Any] = {}
    complete = True
    for item in dataclasses.fields(cast(Any, cls)):
        value = getattr(checked, item.name)
        if isinstance(value, pydantic.BaseModel):
            nested = _dataclass_in(get_type_hints(cls)[item.name])
            assert nested is not None, f"{item.name} was mirrored from a dataclass"
            value = _build(nested, value, problems, f"{path}{item.name}.")
            complete = complete and value is not None
        values[item.name] = value
    if not complete:
        return None
    try:
        return cls(**values)
    except ConfigError as error:
        problems.append(str(error))
        return None


def _describe(problem: Any, cls: type) -> str:
    """Turn one finding of pydantic into `where: rule, value`."""
    parts = [str(part) for part in problem["loc"] if part not in (MAPPING, OTHER)]
    where = ".".join(parts)
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key"
    if problem["type"] == "missing":
        way_out = _way_out(parts, cls)
        return f"{where}: required, but missing" + (f"; {way_out}" if way_out else "")
    return f"{where}: {problem['msg']}, got {problem['input']!r}"


def _way_out(parts: list[str], cls: type) -> str | None:
    """Return what the field at this path says about its absence."""
    *parents, last = parts
    for parent in parents:
        nested = _dataclass_in(get_type_hints(cls).get(parent))
        if nested is None:
            return None
        cls = nested
    fields = {item.name: item for item in dataclasses.fields(cast(Any, cls))}
    return fields[last].metadata.get(IF_MISSING) if last in fields else None


def apply_override(document: dict[str, Any], override: str) -> None:
    """Set one `key.path=value` in the nested document; the value is read as YAML."""
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"--set must be key.path=value, got {override!r}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override!r}: the value is not YAML: {error}") from error
    *parents, last = key.strip().split(".")
    node = document
    for parent in parents:
        child = node.setdefault(parent, {})
        if child is None:
            child = node[parent] = {}
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override!r}: {parent} is a value, not a section")
        node = child
    node[last] = value
