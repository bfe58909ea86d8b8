"""Requests and answers of `/v1/rank` and `/v1/explain`; FastAPI generates OpenAPI from these classes."""

from pydantic import ConfigDict, Field

from recsys_platform.serve.explain_schemas import FromValues, ItemExplanation, PromptToken
from recsys_platform.serve.fields import StrictModel, Text
from recsys_platform.serve.schemas import USER_EXAMPLE, ScoredAnswer, SelectionFields, UserFields

MAX_CANDIDATES = 1_000


class RankRequest(UserFields):
    """A user, and items to rank for them."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**USER_EXAMPLE, "candidates": ["B000142FVW", "B000B5YPKO"]}]}
    )

    candidates: list[Text] = Field(
        min_length=1,
        max_length=MAX_CANDIDATES,
        description="Item ids, or exact titles that only one item has; items of the history too. With `strict`, an unknown "
        "one is an error.",
    )


class RankedItem(StrictModel):
    """One candidate."""

    id: str = Field(description="Item id of the catalogue.")
    title: str = Field(description="Title in the catalogue.")
    score: float = Field(
        description="The score that `/v1/recommend` gives the item; `scoring` of the answer defines it."
    )
    rank: int = Field(description="1 for the candidate with the highest score.")


class RankResponse(ScoredAnswer):
    """All known candidates, best first. The scores are exact: nothing is searched."""

    items: list[RankedItem] = Field(description="Of equal scores, the item that came into the catalogue first.")
    unknown_candidates: list[str] = Field(description="Candidates that are no item of the catalogue now.")


class ExplainRequest(SelectionFields):
    """A user, an item, and the items that it is ranked among."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**USER_EXAMPLE, "item": "B000142FVW"}]})

    item: Text = Field(description="Item id, or an exact title that only one item has.", examples=["B000142FVW"])
    events: bool = Field(
        True,
        description="Also rank the item without each event of the history: as many passes of the model as events it reads.",
    )


class Standing(FromValues):
    """Score and rank of the item."""

    score: float = Field(description="Its score.")
    rank: int = Field(
        description="1 plus the number of allowed items with a higher score; caps of `rules` do not count."
    )
    is_rank_exact: bool = Field(
        description="False if the search ended before all better items were found; the rank is then the smallest possible."
    )


class EventEffect(StrictModel):
    """Where the item stands without one event."""

    event: int = Field(description="Place among the events that the model reads, 0 is the oldest.")
    id: str = Field(description="Id of the event's item.")
    title: str = Field(description="Its title.")
    without: Standing = Field(description="Score and rank of the explained item without this event.")


class ExplainResponse(ScoredAnswer):
    """Why an item has its score."""

    id: str = Field(description="Item id.")
    title: str = Field(description="Its title.")
    score: float = Field(description="The score that `/v1/recommend` gives the item, up to rounding.")
    explanation: ItemExplanation = Field(description="The walk through the trie, and the parts of the score.")
    prompt: list[PromptToken] = Field(description="What the model reads before it generates an item.")
    whole: Standing | None = Field(None, description="With the whole history; null without `events`.")
    events: list[EventEffect] = Field([], description="Without each event that the model reads, oldest first.")
