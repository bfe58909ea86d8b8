"""What the endpoint accepts and answers; OpenAPI is generated from these classes.

Unknown fields, numbers that are not finite and text beyond the limits are refused with the field named.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from recsys_model.config import Scoring
from recsys_platform.values import times

MAX_HISTORY = 10_000
MAX_FEATURES = 200
MAX_TEXT = 2_000
MAX_CATEGORIES = 50
MAX_LISTED = 1_000_000


def parse_time(value: Any) -> float:
    """Return unix seconds for a number of seconds or a text, which is read as the data stage reads it.

    Raises:
        ValueError: it is neither, may mean several times, or lies outside the years 1 to 9999.

    Example:
        >>> parse_time("1970-01-02T00:00:00Z")
        86400.0
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"must be an ISO 8601 text or unix seconds, got {type(value).__name__}")
    try:
        return times.parse_time(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"must be an ISO 8601 time such as 2024-05-01T12:00:00Z, or unix seconds: {error}") from error


def parse_feature(value: Any) -> str | int | float | bool:
    """Return a user feature as given: a text, a finite number or true/false.

    Raises:
        ValueError: it is anything else, or a text beyond `MAX_TEXT` characters.
    """
    if isinstance(value, str):
        return _checked_text(value)
    if not isinstance(value, (bool, int, float)):
        raise ValueError("must be a text, a number or true/false; leave a feature out when it is not known")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


def _checked_text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank; leave it out when it is not known")
    if len(text) > MAX_TEXT:
        raise ValueError(f"must have at most {MAX_TEXT} characters, got {len(text)}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("must be valid Unicode, without lone surrogates") from error
    return text


Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_checked_text)]
Time = Annotated[
    float,
    BeforeValidator(parse_time),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}),
]
FeatureValue = Annotated[
    str | int | float | bool,
    PlainValidator(parse_feature),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": MAX_TEXT}, {"type": "number"}, {"type": "boolean"}]}),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class HistoryEvent(_Strict):
    """One thing that the user did."""

    item: Text = Field(
        description="Item id of the catalogue, or the exact title where only one item has it.", examples=["B0009RF9DW"]
    )
    time: Time | None = Field(
        None,
        description="When it happened: ISO 8601 (UTC unless it names a zone) or unix seconds; "
        "left out, it is the moment of the recommendation.",
        examples=["2014-05-01T00:00:00Z", 1398902400],
    )
    action: Text | None = Field(None, description="What was done, for a model that was trained on actions.")
    rating: float | None = Field(
        None, allow_inf_nan=False, description="The user's rating, for a model that was trained on ratings."
    )
    categories: list[Text] = Field(
        [], max_length=MAX_CATEGORIES, description="The item's categories, for a model that was trained on them."
    )


class RecommendRequest(_Strict):
    """A user, as the model may know it, and how many items are wanted."""

    user_features: dict[Text, FeatureValue] = Field(
        {},
        max_length=MAX_FEATURES,
        description="Features by the column names of the training data; any of them may be left out.",
        examples=[{"age": 25, "city": "Berlin"}],
    )
    history: list[HistoryEvent] = Field(
        [],
        max_length=MAX_HISTORY,
        description="The user's behaviour, empty for a new user; put in order of time, where times tie as given.",
    )
    k: int = Field(
        10, ge=1, strict=True, description="Number of items wanted, at most the number of beams of the model."
    )
    exclude_seen: bool = Field(True, description="Never recommend an item of the history.")
    deny: list[Text] = Field(
        [],
        max_length=MAX_LISTED,
        description="Item ids that must not be recommended, such as those bought in another shop. "
        "The scores of the others do not change.",
        examples=[["B0009RF9DW"]],
    )
    allow: list[Text] | None = Field(
        None,
        max_length=MAX_LISTED,
        description="The only item ids that may be recommended, such as those in stock in the user's region; "
        "left out, all of the catalogue. What `deny` and `exclude_seen` take out stays out.",
        examples=[["B000142FVW", "B000B5YPKO"]],
    )
    time: Time | None = Field(
        None,
        description="The moment of the recommendation, from which the time windows are measured back; "
        "left out, it is now. No event of the history may lie after it.",
    )


class RecommendedItem(_Strict):
    """One item of the catalogue."""

    id: str = Field(description="Item id of the catalogue.")
    title: str = Field(description="Title as it stands in the catalogue.")
    score: float = Field(description="Higher is better; `scoring` of the answer says what it is.")


class ModelInfo(_Strict):
    """Which model answered."""

    name: str = Field(description="Name of the run that made the bundle.")
    digest: str = Field(description="SHA-256 over all files of the bundle.")
    version: str = Field(description="Version of the software that wrote the bundle.")
    created: str = Field(description="When the bundle was written, UTC.")


class ExactnessCertificate(_Strict):
    """What a search with `decoding.exact` knows of the items that are not in the answer."""

    exact: bool = Field(description="Whether the answer is proven to hold the items with the highest scores.")
    bound: float | None = Field(
        description="No other item of the catalogue and lists has a higher score; null if there is no other."
    )
    missing: float | None = Field(
        description="How much better than the last item of the answer another one could be: 0 if exact; "
        "null where `decoding.max_expansions` ended the search before it had found enough items."
    )
    expanded: int = Field(description="Nodes of the item trie that were expanded.")


class RecommendResponse(_Strict):
    """Distinct items of the catalogue, best first."""

    items: list[RecommendedItem] = Field(
        description="At most k items; fewer only when catalogue and lists have no more to offer, "
        "or an exact search was ended by its limit."
    )
    certificate: ExactnessCertificate | None = Field(
        None, description="Of a model that searches with `decoding.exact`, null for beam search."
    )
    scoring: Scoring = Field(
        "trie",
        description="What a score is. `trie`, `lm`: log-probability of the item's tokens, of each among those that the "
        "catalogue allows or of the whole vocabulary; `entity`: log-probability of the item among all; `blend`: the "
        "weighted sum of the first and the third and of log(1 + training events of the item after the user's last one).",
    )
    model: ModelInfo = Field(description="The model that answered.")
    catalog_version: int = Field(
        0, description="Edits of the catalogue since the bundle was made; the scores are those of this version."
    )


class Health(_Strict):
    """A loaded model stands ready."""

    status: Literal["ok"] = Field(
        "ok", description="Always `ok`; while no replica has its model loaded the answer is a 503."
    )
    model: ModelInfo = Field(description="The model that is served.")
    items: int = Field(description="Number of items of its catalogue.")
    catalog_version: int = Field(0, description="Edits of the catalogue since the bundle was made.")


class Problem(_Strict):
    """One thing that is wrong with a request, in FastAPI's own format."""

    loc: list[str | int] = Field(description="Path to the field.", examples=[["body", "history", 0, "item"]])
    msg: str = Field(description="The rule that is broken, and a way out.")
    type: str = Field(description="Kind of the problem.", examples=["unknown_item"])


class Rejection(_Strict):
    """Everything that is wrong with a request."""

    detail: list[Problem] = Field(description="All problems found, not only the first.")
