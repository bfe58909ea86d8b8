"""Write, read and validate `report.json`, and generate its JSON schema.

Unknown keys, missing keys, values of another type and numbers that are not finite are refused.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic

from recsys_model.errors import DataError
from recsys_platform.evaluate.report.content import Report
from recsys_platform.evaluate.report.measured import LEFT_OUT

MAX_SHOWN = 60
"""Maximum number of characters of an invalid value in an error."""


def to_json(value: Any) -> Any:
    """Return nested dataclasses, mappings and sequences as plain JSON types; other values are unchanged.

    Example:
        >>> from recsys_platform.evaluate.report.measured import Exposure, MeasuredValue
        >>> to_json({"figure": MeasuredValue.exact(0.5), "taken": Exposure(mean_popularity=2.0, long_tail_share=1.0)})
        {'figure': {'value': 0.5, 'low': None, 'high': None}, 'taken': {'mean_popularity': 2.0, 'long_tail_share': 1.0}}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in dataclasses.fields(value) if not _is_left_out(each, value)]
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {key: to_json(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(inner) for inner in value]
    return value


def write_json(path: Path, value: Any) -> None:
    """Write a value, converted by `to_json`, as JSON.

    Raises:
        ValueError: A number is not finite; nothing is written.
    """
    text = json.dumps(to_json(value), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def from_json(text: str | bytes, source: str) -> Report:
    """Return the report of a `report.json`.

    Args:
        text: Content of the file.
        source: Name of the file in errors.

    Raises:
        DataError: The text is not such a report; the message has every invalid field and what was expected.
    """
    try:
        return _adapter().validate_json(text)
    except pydantic.ValidationError as error:
        problems = [
            _describe(problem["loc"], problem["type"], problem["msg"], problem["input"]) for problem in error.errors()
        ]
        lines = "\n  ".join(problems)
        raise DataError(f"{source} is not a report of this version; evaluate the run again:\n  {lines}") from error


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of `report.json`; its descriptions are the docstrings of the fields."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_adapter().json_schema()}


@functools.cache
def _adapter() -> pydantic.TypeAdapter[Report]:
    return pydantic.TypeAdapter(Report)


def _is_left_out(each: dataclasses.Field[Any], value: Any) -> bool:
    return dict(each.metadata) == LEFT_OUT and getattr(value, each.name) == each.default


def _describe(place: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
    """Return `path: what was expected, got what`."""
    path = ".".join(map(str, place)) or "the whole file"
    if kind == "unexpected_keyword_argument":
        return f"{path}: unknown key"
    if kind == "missing":
        return f"{path}: required, but missing"
    if kind == "value_error":  # raised by a dataclass; its message already has the value
        return f"{path}: {message.removeprefix('Value error, ')}"
    shown = repr(value)
    shown = shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}..."
    return f"{path}: {message.replace('Input should be', 'must be')}, got {shown}"
