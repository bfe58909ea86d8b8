"""Values of the fields of requests: texts, times and features, each checked and described for OpenAPI.

Unknown fields, numbers that are not finite and texts beyond the limits are refused; the error names the field.
"""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from recsys_platform.values import times

MAX_TEXT = 2_000
MAX_CATEGORIES = 50
TIME_RULE = "must be an ISO 8601 time such as 2024-05-01T12:00:00Z, or unix seconds"


def check_time(value: Any) -> str | float:
    """Return unix seconds for a number, and a text unchanged: `RequestReader` knows how the training data write times.

    Raises:
        ValueError: It is neither, a number that may mean several times, or one outside the years 1 to 9999.

    Example:
        >>> check_time(1714521600000), check_time("2024-05-01")
        (1714521600.0, '2024-05-01')
    """
    if isinstance(value, str):
        return _checked_text(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{TIME_RULE}, got {type(value).__name__}")
    try:
        return times.parse_time(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{TIME_RULE}: {error}") from error


def parse_feature(value: Any) -> str | int | float | bool:
    """Return a user feature unchanged: a text, a finite number or true/false.

    Raises:
        ValueError: It is anything else, or a text of more than `MAX_TEXT` characters.
    """
    if isinstance(value, str):
        return _checked_text(value)
    if not isinstance(value, (bool, int, float)):
        raise ValueError("must be a text, a number or true/false; omit an unknown feature")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


def _checked_text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank; omit an unknown value")
    if len(text) > MAX_TEXT:
        raise ValueError(f"must have at most {MAX_TEXT} characters, got {len(text)}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("must be valid Unicode, without lone surrogates") from error
    return text


Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_checked_text)]
Time = Annotated[
    str | float,
    PlainValidator(check_time),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}),
]
FeatureValue = Annotated[
    str | int | float | bool,
    PlainValidator(parse_feature),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": MAX_TEXT}, {"type": "number"}, {"type": "boolean"}]}),
]


class StrictModel(BaseModel):
    """A model that refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())
