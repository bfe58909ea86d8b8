"""Settings of the search for items and of the generation of text."""

from dataclasses import dataclass
from typing import Literal

from recsys_model.config.checks import require

Scoring = Literal["trie", "lm", "entity", "blend"]
"""How items are scored; see `DecodingConfig.scoring`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodingConfig:
    """Trie-guided generation: beam search, or exact."""

    num_beams: int = 20
    """Beams per request; at least the number of requested items."""
    scoring: Scoring = "trie"
    """`trie`: tokens, each step renormalised over the allowed children; `lm`: tokens, as the language model gives them;
    `entity`: whole items, by the entity head; `blend`: both and co-occurrence, with the weights that are best on
    validation events."""
    exact: bool = False
    """Best-first search in place of beams: the items with the highest scores, proven."""
    max_expansions: int = 5000
    """With `exact`, the search of a request ends after so many nodes; its certificate bounds the error."""
    reuse_mb: int = 0
    """Megabytes of the prefix cache: keys and values of an identical part A, or with `model.mask: causal` of its common
    beginning, are reused."""

    def __post_init__(self) -> None:
        require(self.reuse_mb >= 0, f"decoding.reuse_mb must not be negative, got {self.reuse_mb}")
        for name in ("num_beams", "max_expansions"):
            value = getattr(self, name)
            require(value >= 1, f"decoding.{name} must be at least 1, got {value}")


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationConfig:
    """Generation of free text: greedy, or beam search."""

    max_tokens: int = 64
    """Longest answer in tokens, `[E]` not counted."""
    num_beams: int = 1
    """Beams per request; 1 is greedy."""
    length_power: float = 0.0
    """A finished text scores log-probability / tokens ** length_power; above 0 favours longer texts."""

    def __post_init__(self) -> None:
        require(self.max_tokens >= 1, f"generation.max_tokens must be at least 1, got {self.max_tokens}")
        require(self.num_beams >= 1, f"generation.num_beams must be at least 1, got {self.num_beams}")
        require(self.length_power >= 0.0, f"generation.length_power must not be negative, got {self.length_power}")
