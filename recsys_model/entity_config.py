"""Settings of the entity head: which texts and tables make an item's vector, and how its loss is summed."""

from dataclasses import dataclass
from typing import Literal, get_args

from recsys_model.config import require

EntityField = Literal["title", "brand", "categories", "description"]
WordWeights = Literal["idf", "uniform"]
NUM_EARLIER = 2
"""Items before the last one whose vectors a head adds to an input where `earlier_inputs` is true."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityConfig:
    """The entity head: a score of each whole item, in addition to the scores of its tokens."""

    enabled: bool = False
    """Whether the model gets an entity head."""
    fields: tuple[EntityField, ...] = ("title", "brand", "categories")
    """Texts of an item whose word embeddings make its vector; the data stage reads them, a column must exist."""
    words: bool = True
    """Whether the mean word embedding of `fields` is a part of the item vector."""
    word_weights: WordWeights = "idf"
    """How the words of `fields` count in their mean: a word by its inverse document frequency, or all equally."""
    residuals: bool = True
    """Whether a free vector per item is a part of the item vector; it is zero for an item added while serving."""
    residual_scale: float = 1.0
    """The free vector is its weights times this. Adam moves each weight by the learning rate, and word vectors
    have unit size: a scale above 1 distinguishes items sooner, and overfits single pairs of items sooner."""
    repeat_bias: bool = True
    """Whether a trained bias is added to the score of each item of the history; it learns how often the shop's users
    buy an item again."""
    inputs: bool = True
    """Whether the item vector is added to the input embeddings of its tokens in part A, and of the token behind it."""
    earlier_inputs: bool = False
    """Whether the `[S]` that carries the last item also carries the two items before it, each through a matrix of its own
    that starts at zero. A small model then need not learn from few events which items stood where. Needs
    `objective.next_item_target: all`."""
    negatives: int = 0
    """Items sampled for the softmax of a micro batch, in addition to its targets; 0 sums over the whole catalogue."""
    temperature: float | None = None
    """The scores are divided by it, in training and in decoding; None: sqrt(hidden size) / 12, at which the scores of a
    new head have the same spread at every width."""

    def __post_init__(self) -> None:
        require(len(self.fields) > 0, "entity.fields must name at least one field, got none")
        unknown = [name for name in self.fields if name not in get_args(EntityField)]
        require(
            not isinstance(self.fields, str) and not unknown,
            f"entity.fields must be names out of {', '.join(get_args(EntityField))}, got {self.fields!r}",
        )
        require(
            len(set(self.fields)) == len(self.fields), f"entity.fields must name each field once, got {self.fields}"
        )
        require(
            self.words or self.residuals,
            "entity.words and entity.residuals are both false, so that no item has a vector; set one to true",
        )
        require(
            self.word_weights in get_args(WordWeights),
            f"entity.word_weights must be one of {', '.join(get_args(WordWeights))}, got {self.word_weights!r}",
        )
        for name in ("enabled", "words", "residuals", "repeat_bias", "inputs", "earlier_inputs"):
            value = getattr(self, name)
            require(isinstance(value, bool), f"entity.{name} must be true or false, got {value!r}")
        require(
            self.inputs or not self.earlier_inputs,
            "entity.earlier_inputs adds to what entity.inputs adds; set entity.inputs to true, or entity.earlier_inputs to false",
        )
        require(isinstance(self.negatives, int), f"entity.negatives must be a whole number, got {self.negatives!r}")
        require(self.negatives >= 0, f"entity.negatives must not be negative, got {self.negatives}")
        require(
            self.temperature is None or self.temperature > 0.0,
            f"entity.temperature must be above 0, got {self.temperature}",
        )
        require(self.residual_scale > 0.0, f"entity.residual_scale must be above 0, got {self.residual_scale}")


@dataclass(frozen=True, kw_only=True, slots=True)
class BlendWeights:
    """Weights of the three parts of a blended score, found on validation events."""

    token: float
    """Of the sum of the log-probabilities that the trie-guided generator gives the tokens, 0 or more."""
    entity: float
    """Of the log-probability that the entity head gives the item, 0 or more."""
    co_occurrence: float
    """Of log(1 + n), n the training events of the item that came later than one of the user's latest items, 0 or
    more."""
    history_decay: float = 0.0
    """In n the last item counts once, and each earlier one this many times the one behind it; 0 counts the last
    alone."""

    def __post_init__(self) -> None:
        require(0.0 <= self.history_decay < 1.0, f"history_decay must be from 0 to below 1, got {self.history_decay}")
        weights = (self.token, self.entity, self.co_occurrence)
        require(
            min(weights) >= 0.0 and sum(weights) > 0.0, f"blend weights must be 0 or more, not all 0, got {weights}"
        )
