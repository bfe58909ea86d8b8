"""PublishedFormat: how a project asks its model for an item, and how the model's answer ends."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, get_type_hints

from recsys_model.config import require, settings_from_dict
from recsys_model.errors import ConfigError
from recsys_model.semantic_ids.index import Layout

HISTORY = "{history}"
SEMANTIC_ID = "{semantic_id}"
FORMATS_FILE = "published_formats.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedFormat:
    """Prompt, answer and search of a project."""

    template: str
    """The prompt up to `begin`; `{history}` stands for the user's items, the latest last."""
    begin: str
    """Text that follows `template`; the model continues it with a semantic id."""
    item: str
    """How an item stands in the history; `{semantic_id}` stands for its tokens."""
    separator: str
    """Text between two items of the history."""
    end: str
    """Text that follows the semantic id of an answer; its tokens are scored, too."""
    ends_with_eos: bool
    """Whether the tokenizer's end-of-text token ends an answer, behind `end`; it is scored, too."""
    max_history: int
    """Latest items of a history that the prompt holds; 0: all."""
    num_beams: int
    """Beams per request, at least the number of requested items; an exact search does not use them."""
    items_per_id: int
    """Items that an answer may have of one semantic id; 0: all."""

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(PublishedFormat).items():
            value = getattr(self, name)
            require(type(value) is kind, f"{name} must be {kind.__name__}, got {value!r}")
        _require_once("template", self.template, HISTORY)
        _require_once("item", self.item, SEMANTIC_ID)
        require(bool(self.begin), "begin must be a text that ends each prompt in the same way, got ''")
        for name, least in (("max_history", 0), ("num_beams", 1), ("items_per_id", 0)):
            value = getattr(self, name)
            require(value >= least, f"{name} must be at least {least}, got {value}")

    def write_prompt(self, semantic_ids: list[str]) -> str:
        """Return the prompt of a history of semantic ids, each written as one text.

        >>> own = published_format("openonerec", {"template": "{history}", "max_history": 1})
        >>> own.write_prompt(["<s_a_1><s_b_2><s_c_3>", "<s_a_4><s_b_5><s_c_6>"])
        '<|sid_begin|><s_a_4><s_b_5><s_c_6><|sid_end|><|sid_begin|>'
        """
        latest = semantic_ids[-self.max_history :] if self.max_history else semantic_ids
        history = self.separator.join(self.item.replace(SEMANTIC_ID, text) for text in latest)
        return self.template.replace(HISTORY, history) + self.begin


def _require_once(name: str, text: str, place: str) -> None:
    require(text.count(place) == 1, f"{name} must have {place} once, got {text!r}")


def published_format(layout: Layout, settings: Mapping[str, Any] | None = None) -> PublishedFormat:
    """Return the format that a project publishes, with some settings changed.

    Raises:
        ConfigError: a setting is unknown, of another type or out of range.

    Example:
        >>> own = published_format("minionerec", {"begin": "Response:", "num_beams": 8})
        >>> own.begin, own.separator, own.num_beams
        ('Response:', ', ', 8)
        >>> published_format("lcrec", {"beams": 8})
        Traceback (most recent call last):
        recsys_model.errors.ConfigError: settings of a published format are template, begin, item, separator, end, ends_with_eos, max_history, num_beams, items_per_id; got beams
    """
    text = resources.files("recsys_model.semantic_ids").joinpath(FORMATS_FILE).read_text(encoding="utf-8")
    defaults = tomllib.loads(text)[layout]
    unknown = sorted(set(settings or {}).difference(defaults))
    if unknown:
        raise ConfigError(f"settings of a published format are {', '.join(defaults)}; got {', '.join(unknown)}")
    return settings_from_dict(PublishedFormat, defaults | dict(settings or {}))
