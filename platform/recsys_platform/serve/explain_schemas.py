"""Explanations in answers, the values of `recsys_model/decoding/explanation.py`; FastAPI generates OpenAPI from these classes."""

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

from recsys_model.decoding.explanation import Part
from recsys_platform.serve.fields import StrictModel

Listed = BeforeValidator(list)


class FromValues(StrictModel):
    """A model that is read from the attributes of a value."""

    model_config = ConfigDict(from_attributes=True)


class PromptToken(FromValues):
    """One token with its two position ids."""

    token_id: int = Field(description="Token of the model.")
    text: str = Field(description="Its text; empty for control tokens, and for a part of a character.")
    inter_position_id: int | None = Field(
        description="Inter position id; null for the end token, which is predicted and never read."
    )
    intra_position_id: int | None = Field(description="Intra position id, the place inside the entity.")


class WalkToken(PromptToken):
    """One token of the item, the end token last."""

    log_prob: float = Field(
        description="What the token adds to the token score: 0 where the trie leaves no choice, unless `scoring` is `lm`."
    )


class BranchChild(FromValues):
    """One way on from a branch of the trie."""

    token_ids: Annotated[list[int], Listed] = Field(description="Tokens up to the next branch or the end of the item.")
    text: str = Field(description="Their text.")
    num_items: int = Field(description="Items below.")
    probability: float = Field(
        description="Probability of the first token among the children; with `scoring: lm` in the whole vocabulary."
    )
    item_probability: float | None = Field(
        description="Share that the entity head gives all items below; null without an entity head."
    )
    is_on_path: bool = Field(description="Whether the item lies below.")


class Branch(FromValues):
    """A node of the trie on the way to the item where more than one child follows."""

    num_tokens: int = Field(description="Tokens of the item before the branch.")
    num_children: int = Field(description="All children.")
    children: Annotated[list[BranchChild], Listed] = Field(
        description="The most probable ones, best first, and the one on the path."
    )


class ScorePart(FromValues):
    """One part of a score; it contributes weight times value."""

    name: Part = Field(
        description="`tokens`: sum of the log-probabilities of the tokens; `items`: log-probability of the item by the "
        "entity head; `counts`: log(1 + co-occurrences with the latest items)."
    )
    weight: float = Field(description="Weight of the part.")
    value: float = Field(description="Its value.")
    contribution: float = Field(description="Weight times value.")


class ItemExplanation(FromValues):
    """Why an item has its score."""

    parts: Annotated[list[ScorePart], Listed] = Field(description="They add up to the score, up to rounding.")
    tokens: Annotated[list[WalkToken], Listed] = Field(description="The item, token by token.")
    branches: Annotated[list[Branch], Listed] = Field(description="From the root of the item trie to the item.")
