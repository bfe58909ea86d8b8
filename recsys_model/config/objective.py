"""Settings of the training objective: masks, position ids and weights of the losses."""

from dataclasses import dataclass
from typing import Literal

from recsys_model.config.checks import require

HistoryLayout = Literal["text", "tokens", "vectors", "vectors_from_last"]
"""Layout of a request's history: as text in part A; or in part B, with the tokens of its items, or with their vectors
alone and position ids that count from the first or from the last item."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """The hidden spans and their loss (paper, Training Phase).

    The mix of GLM-10B is `entity` 0.5, `sentence` 0.3, `document` 0.2.
    """

    entity_weight: float = 0.5
    """Relative frequency of the entity-level objective, `[MASK]`."""
    sentence_weight: float = 0.3
    """Relative frequency of the sentence-level objective, `[sMASK]`."""
    document_weight: float = 0.2
    """Relative frequency of the document-level objective, `[gMASK]`."""
    next_item_weight: float = 1.0
    """Relative frequency of the supervised task: one `[gMASK]` after the history, the target item as its span."""
    mask_share: float = 0.15
    """Share of the tokens that entity and sentence level hide."""
    mask_units: Literal["entity", "token"] = "entity"
    """`entity` (default, paper): a span is made of whole entities and separate tokens; `token`: every token is a unit
    of its own, so an entity or document-level span may cut an entity, whose tokens keep their place in part A."""
    span_units: Literal["poisson", "single"] = "poisson"
    """`poisson` (default): spans of whole units up to a Poisson(3) length; `single`: one unit per span (Figure 1)."""
    poisson_mean: float = 3.0
    """Mean span length in tokens with `span_units: poisson`."""
    max_span_tokens: int = 39
    """Largest length drawn with `span_units: poisson`; a single unit may be longer."""
    document_min_share: float = 0.5
    """Smallest share of the text that the document level hides, up to all of it."""
    document_span: Literal["suffix", "anywhere"] = "suffix"
    """Where the document-level span lies: at the end of the text, as in generation (default), or anywhere."""
    span_order: Literal["chronological", "shuffled"] = "chronological"
    """Order of the spans in part B: as in the text (default, paper), or drawn for each example, as GLM does."""
    next_item_target: Literal["last", "any", "all"] = "last"
    """Target of the supervised task: the last item of the text (default); any item after the first; or all items in one
    row: the text from the first item on is then one document-level blank, in requests too."""
    history: Literal["tokens", "vectors", "vectors_from_last"] = "tokens"
    """With `next_item_target: all`, layout of a history item in part B. `tokens` (default): its `[S]` and its tokens;
    `vectors`: its `[S]` alone, which carries the vector of the entity head, so one token per item; `vectors_from_last`:
    so too, and inter position ids count back from the last item, which always has the same."""
    item_loss: Literal["lm", "trie"] = "lm"
    """How the token of an item is normalised: over the vocabulary (default, paper), or over its trie children, as
    decoding does."""
    trie_temperature: float = 1.0
    """With `item_loss: trie`, logits are divided by it before they are normalised, in decoding too."""
    forced_token_weight: float = 1.0
    """With `item_loss: lm`, loss weight of an item's token without an alternative in the trie, 0 to 1."""
    token_loss_weight: float = 1.0
    """Weight of the mean loss over the tokens of part B; 0 trains an entity head alone."""
    entity_loss_weight: float = 1.0
    """Weight of the mean loss over the items that begin in part B, if the model has an entity head."""
    intra_mode: Literal["paper", "run", "glm"] = "paper"
    """Intra position ids: of entities (default, paper), of runs of separate tokens too, or plain GLM (part A 0, part B
    counted through)."""
    segmentation: Literal["online", "gold"] = "online"
    """Where a unit of part B begins: `online` (default), at the position automaton of decoding; `gold`, at the entity
    boundaries of the text, which differ if plain text looks like an entity."""

    def __post_init__(self) -> None:
        weights = (self.entity_weight, self.sentence_weight, self.document_weight, self.next_item_weight)
        require(min(weights) >= 0.0, f"objective weights must not be negative, got {weights}")
        require(sum(weights) > 0.0, "at least one objective weight must be above 0, got all 0")
        require(0.0 < self.mask_share <= 1.0, f"objective.mask_share must be in (0, 1], got {self.mask_share}")
        require(self.trie_temperature > 0.0, f"objective.trie_temperature must be above 0, got {self.trie_temperature}")
        require(
            0.0 <= self.forced_token_weight <= 1.0,
            f"objective.forced_token_weight must be in [0, 1], got {self.forced_token_weight}",
        )
        losses = (self.token_loss_weight, self.entity_loss_weight)
        require(
            min(losses) >= 0.0 and sum(losses) > 0.0,
            f"objective loss weights must be 0 or more, not all 0, got {losses}",
        )
        require(
            self.history == "tokens" or self.next_item_target == "all",
            f"objective.history {self.history} needs objective.next_item_target all, "
            f"got {self.next_item_target}; set it to all, or objective.history to tokens",
        )
        require(self.poisson_mean > 0.0, f"objective.poisson_mean must be above 0, got {self.poisson_mean}")
        require(self.max_span_tokens >= 1, f"objective.max_span_tokens must be at least 1, got {self.max_span_tokens}")
        require(
            0.0 < self.document_min_share <= 1.0,
            f"objective.document_min_share must be in (0, 1], got {self.document_min_share}",
        )

    @property
    def history_layout(self) -> HistoryLayout:
        """Layout of the history in requests to a model of this training."""
        return self.history if self.next_item_target == "all" else "text"


PLAIN_GLM = ObjectiveConfig(mask_units="token", span_order="shuffled", intra_mode="glm")
"""GLM's own masks, order and position ids, without entities, and the same supervised task: the paper's baseline of a
fine-tuned GLM, and our ablation. `next_item_weight: 0.0` leaves GLM's pretraining alone."""
