"""Requests and answers of `/v1/recommend` and `/healthz`; FastAPI generates OpenAPI from these classes.

Unknown fields, numbers that are not finite and texts beyond the limits are refused; the error names the field.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from recsys_model.config import Scoring
from recsys_platform.values import times

MAX_HISTORY = 10_000
MAX_FEATURES = 200
MAX_TEXT = 2_000
MAX_CATEGORIES = 50
MAX_LISTED = 1_000_000
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


class HistoryEvent(StrictModel):
    """One event of the user's history."""

    item: Text = Field(
        description="Item id of the catalogue, or an exact title that only one item has.", examples=["B0009RF9DW"]
    )
    time: Time | None = Field(
        None,
        description="Time of the event: ISO 8601 (UTC without a time zone), a text in the `time_format` of the training "
        "data, or unix seconds; "
        "the default is the time of the recommendation.",
        examples=["2014-05-01T00:00:00Z", 1398902400],
    )
    action: Text | None = Field(None, description="Action, for a model that was trained on actions.")
    rating: float | None = Field(
        None, allow_inf_nan=False, description="The user's rating, for a model that was trained on ratings."
    )
    categories: list[Text] = Field(
        [], max_length=MAX_CATEGORIES, description="The item's categories, for a model that was trained on them."
    )


class RecommendRequest(StrictModel):
    """A user's features and history, and which items may be recommended."""

    user_features: dict[Text, FeatureValue] = Field(
        {},
        max_length=MAX_FEATURES,
        description="Features by the column names of the training data; all are optional.",
        examples=[{"age": 25, "city": "Berlin"}],
    )
    history: list[HistoryEvent] = Field(
        [],
        max_length=MAX_HISTORY,
        description="The user's events, empty for a new user. They are sorted by time; equal times keep their order.",
    )
    k: int = Field(
        10, ge=1, strict=True, description="Number of items to return, at most the number of beams of the model."
    )
    exclude_seen: bool = Field(True, description="Never recommend an item of the history.")
    deny: list[Text] = Field(
        [],
        max_length=MAX_LISTED,
        description="Item ids that must not be recommended, for example items bought in another shop. "
        "The scores of other items do not change.",
        examples=[["B0009RF9DW"]],
    )
    allow: list[Text] | None = Field(
        None,
        max_length=MAX_LISTED,
        description="The only item ids that may be recommended, for example items in stock in the user's region; "
        "the default is the whole catalogue. `deny` and `exclude_seen` still apply.",
        examples=[["B000142FVW", "B000B5YPKO"]],
    )
    time: Time | None = Field(
        None,
        description="Time of the recommendation, at which the time windows of the history end; "
        "the default is now. No event of the history may be after it.",
    )


class RecommendedItem(StrictModel):
    """One item of the catalogue."""

    id: str = Field(description="Item id of the catalogue.")
    title: str = Field(description="Title in the catalogue.")
    score: float = Field(description="Higher is better; `scoring` of the answer defines it.")


class ModelInfo(StrictModel):
    """The model that answered."""

    name: str = Field(description="Name of the run that made the bundle.")
    digest: str = Field(description="SHA-256 over all files of the bundle.")
    version: str = Field(description="Version of the software that wrote the bundle.")
    created: str = Field(description="When the bundle was written, UTC.")


class ExactnessCertificate(StrictModel):
    """What a search with `decoding.exact` proves about the items outside the answer."""

    exact: bool = Field(description="Whether the answer is proven to have the items with the highest scores.")
    bound: float | None = Field(
        description="Upper bound of the score of every other allowed item; null if there is no other."
    )
    missing: float | None = Field(
        description="How much the score of another item may exceed that of the last item of the answer: 0 if exact; "
        "null if `decoding.max_expansions` ended the search before it had enough items."
    )
    expanded: int = Field(description="Number of expanded nodes of the item trie.")


class RecommendResponse(StrictModel):
    """Distinct items of the catalogue, best first."""

    items: list[RecommendedItem] = Field(
        description="At most k items; fewer only if the lists allow no more, "
        "or `decoding.max_expansions` ended an exact search."
    )
    certificate: ExactnessCertificate | None = Field(
        None, description="Of a search with `decoding.exact`; null for beam search."
    )
    scoring: Scoring = Field(
        "trie",
        description="Definition of the score. `trie`: log-probability of the item's tokens, each among the tokens that "
        "the catalogue allows; `lm`: the same, each among the whole vocabulary; `entity`: log-probability of the item "
        "among all items; `blend`: weighted sum of `trie`, `entity` and log(1 + n), n the weighted number of training "
        "events of the item after the user's latest items.",
    )
    model: ModelInfo = Field(description="The model that answered.")
    catalog_version: int = Field(
        0, description="Version of the catalogue behind the scores: the number of edits since the bundle."
    )


class Health(StrictModel):
    """A replica has loaded its model."""

    status: Literal["ok"] = Field(
        "ok", description="Always `ok`; until a replica has loaded its model, the answer is a 503."
    )
    model: ModelInfo = Field(description="The served model.")
    items: int = Field(description="Number of items of its catalogue.")
    catalog_version: int = Field(0, description="Number of edits of the catalogue since the bundle.")


class Problem(StrictModel):
    """One problem of a request, in FastAPI's own format."""

    loc: list[str | int] = Field(description="Path to the field.", examples=[["body", "history", 0, "item"]])
    msg: str = Field(description="The broken rule, and how to fix the request.")
    type: str = Field(description="Kind of the problem.", examples=["unknown_item"])


class Rejection(StrictModel):
    """All problems of a request."""

    detail: list[Problem] = Field(description="All problems, not only the first.")
