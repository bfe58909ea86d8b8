"""The question templates of all tasks, read from a file for each language and checked.

A template is plain text with fields (`{item}`) and optional parts in brackets. An optional part is left out if one of
its fields has no value. Templates are parsed once; values are never searched for braces or brackets.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from recsys_model.config.text import LanguageCode
from recsys_model.errors import ConfigError
from recsys_model.text.tasks import FIELDS, TASKS, Task

TemplateSplit = Literal["seen", "unseen"]
TEMPLATE_SPLITS: tuple[TemplateSplit, ...] = ("seen", "unseen")
MIN_TEMPLATES: dict[TemplateSplit, int] = {"seen": 6, "unseen": 2}
"""Fewest templates of each task."""
TEMPLATE_FILES: dict[LanguageCode, str] = {"en": "templates.toml", "zh": "templates_zh.toml"}
"""File of each language of `text.language`."""
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Field:
    """A place for a value."""

    name: str
    """One of `FIELDS`."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a template."""

    pieces: tuple[str | Field, ...]
    """Plain text and fields in turn; the blank before a field belongs to its value."""
    is_optional: bool
    """Whether it is left out where a value is missing."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of its fields."""
        return tuple(piece.name for piece in self.pieces if isinstance(piece, Field))


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """One way to ask a task."""

    template_id: str
    """`task/name`."""
    task: Task
    """What is asked."""
    split: TemplateSplit
    """Whether it is trained on (`seen`) or never (`unseen`)."""
    text: str
    """As written in the file."""
    parts: tuple[Part, ...]
    """The parsed text."""


class TemplateSet:
    """All templates, by task and split."""

    def __init__(self, templates: tuple[Template, ...]) -> None:
        self.templates = templates
        self._by_id = {template.template_id: template for template in templates}
        self._by_task = {
            (task, split): tuple(t for t in templates if (t.task.name, t.split) == (task, split))
            for task in TASKS
            for split in TEMPLATE_SPLITS
        }

    def __getitem__(self, template_id: str) -> Template:
        """Return a template by its id.

        Raises:
            ConfigError: there is none of this name.
        """
        if template_id not in self._by_id:
            raise ConfigError(f"template must be one of {', '.join(self._by_id)}; got {template_id!r}")
        return self._by_id[template_id]

    def of(self, task: str, split: TemplateSplit) -> tuple[Template, ...]:
        """Return the templates of a task in the order of the file; evaluation asks with the first one.

        Raises:
            ConfigError: there is no such task or split.
        """
        if (task, split) not in self._by_task:
            raise ConfigError(
                f"templates are of a task ({', '.join(TASKS)}) and {' or '.join(TEMPLATE_SPLITS)}; "
                f"got {task!r} and {split!r}"
            )
        return self._by_task[task, split]


@cache
def load_templates(language: LanguageCode = "en") -> TemplateSet:
    """Read the templates of a language that come with the package."""
    file = TEMPLATE_FILES[language]
    source = resources.files("recsys_model.text").joinpath(file)
    return parse_templates(source.read_text(encoding="utf-8"), file)


def parse_templates(text: str, file: str = "templates.toml") -> TemplateSet:
    """Read templates from TOML, `[task.seen]` and `[task.unseen]` tables of `name = "text"`; messages name the file.

    Raises:
        ConfigError: it is no TOML, a task or a template is missing, unknown or worded like another, or a template
            has a wrong field; the message names template and field.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} cannot be read as TOML: {error}") from error
    if set(document) != set(TASKS):
        raise ConfigError(f"{file} must have the tasks {', '.join(TASKS)}; got {', '.join(document)}")
    templates = tuple(
        template for task in TASKS.values() for template in _task_templates(task, document[task.name], file)
    )
    _check_distinct(templates)
    return TemplateSet(templates)


def _task_templates(task: Task, tables: Mapping[str, Any], file: str) -> Iterator[Template]:
    if set(tables) != set(TEMPLATE_SPLITS):
        raise ConfigError(f"{file}: {task.name} must have {' and '.join(TEMPLATE_SPLITS)}; got {', '.join(tables)}")
    for split in TEMPLATE_SPLITS:
        if len(tables[split]) < MIN_TEMPLATES[split]:
            raise ConfigError(
                f"{file}: {task.name} must have at least {MIN_TEMPLATES[split]} {split} templates, "
                f"got {len(tables[split])}"
            )
        for name, text in tables[split].items():
            template_id = f"{task.name}/{name}"
            parts = tuple(_parts(template_id, text))
            _check_fields(template_id, task, parts)
            yield Template(template_id=template_id, task=task, split=split, text=text, parts=parts)


def _parts(template_id: str, text: str) -> Iterator[Part]:
    """Split a template at its brackets."""
    is_first = True
    for index, chunk in enumerate(_BRACKETS.split(text)):
        if chunk:
            yield Part(tuple(_pieces(template_id, chunk, is_first=is_first)), is_optional=index % 2 == 1)
            is_first = False


def _pieces(template_id: str, chunk: str, *, is_first: bool) -> Iterator[str | Field]:
    pieces = _BRACES.split(chunk)
    for index, piece in enumerate(pieces):
        if index % 2 == 1:
            yield Field(piece)
            continue
        if any(mark in piece for mark in "{}[]"):
            raise ConfigError(f"template {template_id}: every brace and bracket must have its partner, got {piece!r}")
        before_field = index + 1 < len(pieces)
        if before_field and not piece.endswith(" ") and not (is_first and index == 0 and piece == ""):
            raise ConfigError(
                f"template {template_id}: a blank must stand before field {pieces[index + 1]!r}, got {piece!r}"
            )
        literal = piece.removesuffix(" ") if before_field else piece
        if literal:
            yield literal


def _check_fields(template_id: str, task: Task, parts: tuple[Part, ...]) -> None:
    """Required fields stand outside of brackets, all others inside, each once."""
    outside = [name for part in parts if not part.is_optional for name in part.fields]
    inside = [name for part in parts if part.is_optional for name in part.fields]
    for part in parts:
        if part.is_optional and not part.fields:
            raise ConfigError(f"template {template_id}: a part in brackets must have a field, got {part.pieces}")
    for name in outside + inside:
        if name not in task.required + task.optional:
            hint = "" if name in FIELDS else f", which is none of {', '.join(FIELDS)}"
            raise ConfigError(f"template {template_id}: {task.name} has no field {name!r}{hint}; take it out")
        if (outside + inside).count(name) > 1:
            raise ConfigError(f"template {template_id}: field {name!r} must occur once, got it again")
    for name in task.required:
        if name not in outside:
            raise ConfigError(f"template {template_id}: field {name!r} must be there, outside of brackets")
    for name in task.optional:
        if name in outside or (name in task.offered and name not in inside):
            raise ConfigError(
                f"template {template_id}: field {name!r} must be there inside brackets, it may be unknown"
            )


def _check_distinct(templates: tuple[Template, ...]) -> None:
    ids: set[str] = set()
    wording_to_id: dict[str, str] = {}
    for template in templates:
        if template.template_id in ids:
            raise ConfigError(f"template {template.template_id}: its name must be unique in its task; rename one")
        ids.add(template.template_id)
        wording = " ".join(re.findall(r"[\w{}]+", template.text.lower()))
        other = wording_to_id.setdefault(wording, template.template_id)
        if other != template.template_id:
            raise ConfigError(f"template {template.template_id}: its wording must be its own, it equals {other}")
