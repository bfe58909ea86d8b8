"""Settings of the text of an example: which events of a history, and which fields of an event."""

from dataclasses import dataclass, field
from typing import Literal

from recsys_model.config.checks import ADDED_LATER, require

LanguageCode = Literal["en", "zh"]
"""Languages of what is written around titles and values: English, Chinese."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowConfig:
    """Sampling of long, medium and short-term behaviour (paper, Data Phase)."""

    max_history: int = 20
    """Largest number of events in one history."""
    long_share: float = 0.1
    """Share of the history taken from the long-term window."""
    medium_share: float = 0.3
    """Share of the history taken from the medium-term window."""
    short_share: float = 0.6
    """Share of the history taken from the short-term window."""
    bounds: Literal["days", "quantile", "last"] = "days"
    """`days`: windows measured back from the target's time; `quantile`: by share of the events, for coarse times;
    `last`: no windows, the latest `max_history` events, whatever the shares (an ablation)."""
    short_days: float = 7.0
    """Events at most this many days before the target are short-term."""
    medium_days: float = 90.0
    """Older events at most this many days before the target are medium-term; the rest is long-term."""
    short_quantile: float = 0.3
    """With `bounds: quantile`, the latest share of the events that counts as short-term."""
    medium_quantile: float = 0.5
    """With `bounds: quantile`, the next share, which counts as medium-term."""

    def __post_init__(self) -> None:
        require(self.max_history >= 1, f"window.max_history must be at least 1, got {self.max_history}")
        shares = (self.long_share, self.medium_share, self.short_share)
        require(
            min(shares) >= 0.0 and abs(sum(shares) - 1.0) < 1e-6,
            f"window shares must not be negative and must add up to 1, got {shares}",
        )
        require(
            0.0 < self.short_days <= self.medium_days,
            f"window.short_days must be positive and at most medium_days, got {self.short_days} and {self.medium_days}",
        )
        require(
            min(self.short_quantile, self.medium_quantile) >= 0.0 and self.short_quantile + self.medium_quantile <= 1.0,
            f"window quantiles must not be negative nor add up to more than 1, got "
            f"{self.short_quantile} and {self.medium_quantile}",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig:
    """How rows become text."""

    max_tokens: int = 1024
    """Longest text in tokens, `[CLS]`, `[EOS]` and the target included. The oldest behaviour is dropped first, or those that
    take more than half of the room, if more are told then."""
    behaviour_fields: tuple[Literal["action", "categories", "rating", "time"], ...] = ()
    """Fields of a behaviour in its text, behind the title, in this order; the columns must exist."""
    language: LanguageCode = field(default="en", metadata=ADDED_LATER)
    """Language of the words around titles and values, of the questions of tasks, and of the reviews: it decides how
    sentences are split and how generated texts are measured."""

    def __post_init__(self) -> None:
        require(self.max_tokens >= 16, f"text.max_tokens must be at least 16, got {self.max_tokens}")
        require(
            len(set(self.behaviour_fields)) == len(self.behaviour_fields),
            f"text.behaviour_fields names a field twice: {self.behaviour_fields}",
        )
