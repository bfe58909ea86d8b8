"""Requests and answers of `/v1/recommend` and `/healthz`; FastAPI generates OpenAPI from these classes."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from recsys_model.config import Scoring
from recsys_platform.serve.explain_schemas import ItemExplanation, PromptToken
from recsys_platform.serve.fields import MAX_CATEGORIES as MAX_CATEGORIES
from recsys_platform.serve.fields import MAX_TEXT as MAX_TEXT
from recsys_platform.serve.fields import FeatureValue, StrictModel, Text, Time
from recsys_platform.serve.rules_schemas import RulesFields

MAX_HISTORY = 10_000
MAX_FEATURES = 200
MAX_LISTED = 1_000_000
MAX_EXPLAINED = 20
"""Items that one answer explains: each costs a pass of the model over its tokens."""
USER_EXAMPLE: dict[str, Any] = {
    "user_features": {"city": "Berlin"},
    "history": [{"item": "B0009RF9DW", "time": "2014-05-01T00:00:00Z"}],
}


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


class UserFields(StrictModel):
    """A user's features and history."""

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
    time: Time | None = Field(
        None,
        description="Time of the recommendation, at which the time windows of the history end; "
        "the default is now. No event of the history may be after it.",
    )
    strict: bool = Field(
        False,
        description="Refuse a request that names unknown items in its history, each with the items that might be meant. "
        "Otherwise the other events answer, and `unknown_items` of the answer names those that were left out.",
    )


class SelectionFields(UserFields):
    """A user, and which items may be recommended to them."""

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
    rules: RulesFields | None = Field(
        None,
        description="Conditions on columns of the items table, and caps per value of a column. They act inside the search: "
        "the answer has the best k items under the rules.",
    )


class RecommendRequest(SelectionFields):
    """A user's features and history, and which items may be recommended."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {**USER_EXAMPLE, "k": 5},
                {
                    **USER_EXAMPLE,
                    "rules": {
                        "where": [{"column": "price", "at_most": 50}, {"column": "brand", "none_of": ["Acme"]}],
                        "caps": [{"column": "brand", "at_most": 2}],
                    },
                    "exact": True,
                },
            ]
        }
    )

    k: int = Field(
        10, ge=1, strict=True, description="Number of items to return, at most the number of beams of the model."
    )
    exact: bool | None = Field(
        None,
        description="Search for the items with the highest scores, proven by the `certificate` of the answer, in place of "
        "beam search; the default is `decoding.exact` of the bundle. An exact search may take longer.",
    )
    explain: bool = Field(
        False,
        description="Add to each item why it has its score; for at most "
        f"{MAX_EXPLAINED} items. `/v1/explain` also asks what each event contributes.",
    )


class RecommendedItem(StrictModel):
    """One item of the catalogue."""

    id: str = Field(description="Item id of the catalogue.")
    title: str = Field(description="Title in the catalogue.")
    score: float = Field(description="Higher is better; `scoring` of the answer defines it.")
    explanation: ItemExplanation | None = Field(None, description="Why it has this score; null without `explain`.")


class UnknownItem(StrictModel):
    """An event whose item is unknown, or whose title several items share."""

    index: int = Field(description="Its place in the history of the request.")
    item: str = Field(description="What the request named.")


class ModelInfo(StrictModel):
    """The model that answered."""

    name: str = Field(description="Name of the run that made the bundle.")
    digest: str = Field(description="SHA-256 over all files of the bundle.")
    version: str = Field(description="Version of the software that wrote the bundle.")
    created: str = Field(description="When the bundle was written, UTC.")


class ExactnessCertificate(StrictModel):
    """What an exact search proves about the items outside the answer."""

    exact: bool = Field(description="Whether the answer is proven to have the items with the highest scores.")
    bound: float | None = Field(
        description="Upper bound of the score of every other allowed item; null if there is no other."
    )
    missing: float | None = Field(
        description="How much the score of another item may exceed that of the last item of the answer: 0 if exact; "
        "null if `decoding.max_expansions` ended the search before it had enough items."
    )
    expanded: int = Field(description="Number of expanded nodes of the item trie.")


class ScoredAnswer(StrictModel):
    """What answers with scores have in common."""

    unknown_items: list[UnknownItem] = Field(
        [], description="Events of the history that were left out, since their item is unknown."
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


class RecommendResponse(ScoredAnswer):
    """Distinct items of the catalogue, best first."""

    items: list[RecommendedItem] = Field(
        description="At most k items; fewer only if lists and rules allow no more, "
        "or `decoding.max_expansions` ended an exact search."
    )
    certificate: ExactnessCertificate | None = Field(None, description="Of an exact search; null for beam search.")
    prompt: list[PromptToken] | None = Field(
        None, description="With `explain`: what the model reads before it generates an item, token by token."
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
