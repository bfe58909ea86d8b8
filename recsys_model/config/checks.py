"""Checks of settings: one range, and the exact keys of a settings class.

This package knows no YAML and no Ray; `recsys_platform.config.run` fills its classes from files.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from recsys_model.errors import ConfigError

T = TypeVar("T")
ADDED_LATER: Mapping[str, bool] = {"added_later": True}
"""Metadata of a field that artifacts of earlier versions lack; its default is what those versions did."""


def require(condition: bool, message: str) -> None:
    """Raise `ConfigError` with `message` unless `condition` holds."""
    if not condition:
        raise ConfigError(message)


def settings_from_dict(cls: type[T], document: Any, where: str = "") -> T:
    """Fill a frozen settings class, and those inside it, from exactly its own keys; only `ADDED_LATER` may be missing.

    Raises:
        ConfigError: a key is unknown or missing, or a value is out of range.

    Example:
        >>> from recsys_model.config.text import TextConfig
        >>> text = {"max_tokens": 32, "behaviour_fields": []}
        >>> settings_from_dict(TextConfig, text)
        TextConfig(max_tokens=32, behaviour_fields=(), language='en')
        >>> settings_from_dict(TextConfig, {**text, "tokens": 3}, "text")
        Traceback (most recent call last):
        recsys_model.errors.ConfigError: text must have the keys max_tokens, behaviour_fields, language; unknown: tokens; missing: none
    """
    hints = get_type_hints(cls)
    given = set(document) if isinstance(document, Mapping) else set()
    unknown_keys, missing_keys = given - set(hints), set(hints) - given - _added_later(cls)
    if unknown_keys or missing_keys:
        unknown = ", ".join(sorted(unknown_keys)) or "none"
        missing = ", ".join(sorted(missing_keys)) or "none"
        raise ConfigError(
            f"{where or 'the settings'} must have the keys {', '.join(hints)}; unknown: {unknown}; missing: {missing}"
        )
    values: dict[str, Any] = {}
    for name, hint in hints.items():
        if name not in given:
            continue
        value = document[name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            value = settings_from_dict(hint, value, f"{where}.{name}" if where else name)
        values[name] = tuple(value) if isinstance(value, list) else value
    return cls(**values)


def _added_later(cls: Any) -> set[str]:
    return {item.name for item in dataclasses.fields(cls) if item.metadata.get("added_later")}
