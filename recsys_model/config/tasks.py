"""Settings of multi-task training: the share of questions and the weight of each task family."""

from dataclasses import dataclass

from recsys_model.config.checks import require


@dataclass(frozen=True, kw_only=True, slots=True)
class TasksConfig:
    """Multi-task training with question templates (paper, Implementation); the default has no questions."""

    template_share: float = 0.0
    """Share of the examples that become a question; the others are plain text with hidden spans."""
    rating_weight: float = 0.0
    """Relative frequency of rating prediction among the questions."""
    sequential_weight: float = 1.0
    """Relative frequency of sequential recommendation."""
    explanation_weight: float = 0.0
    """Relative frequency of explanation generation, with and without a hint word."""
    review_weight: float = 0.0
    """Relative frequency of review summaries and of ratings from reviews."""
    direct_weight: float = 0.0
    """Relative frequency of direct recommendation, yes/no and choice."""
    next_item_weight: float = 0.0
    """Relative frequency of next-item prediction with the user's profile."""
    candidate_weight: float = 0.0
    """Relative frequency of candidate recommendation with the user's profile."""
    num_candidates: int = 20
    """Candidates in a question, the right one included, at least 2; all their titles must fit into the text."""
    no_share: float = 0.5
    """Share of the yes/no questions that ask about an item that the user never took."""

    def __post_init__(self) -> None:
        weights = [getattr(self, name) for name in self.__slots__ if name.endswith("_weight")]
        require(
            min(weights) >= 0.0 and sum(weights) > 0.0, f"tasks weights must be 0 or more, not all 0, got {weights}"
        )
        require(0.0 <= self.template_share <= 1.0, f"tasks.template_share must be in [0, 1], got {self.template_share}")
        require(self.num_candidates >= 2, f"tasks.num_candidates must be at least 2, got {self.num_candidates}")
        require(0.0 <= self.no_share <= 1.0, f"tasks.no_share must be in [0, 1], got {self.no_share}")
