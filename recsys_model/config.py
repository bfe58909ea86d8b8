"""Settings of the model side: frozen dataclasses that check their own ranges.

This module knows no YAML and no Ray; `recsys_platform.config.run` fills these classes from files.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_type_hints

from recsys_model.errors import ConfigError

T = TypeVar("T")

Scoring = Literal["trie", "lm", "entity", "blend"]
"""What an item is scored by; `DecodingConfig.scoring` says what each is."""


def require(condition: bool, message: str) -> None:
    """Raise `ConfigError` with `message` unless `condition` holds."""
    if not condition:
        raise ConfigError(message)


def settings_from_dict(cls: type[T], document: Any, where: str = "") -> T:
    """Fill a frozen settings class, and those inside it, from exactly its own keys.

    Raises:
        ConfigError: a key is unknown or missing, or a value is out of range.

    Example:
        >>> text = {"max_tokens": 32, "behaviour_fields": []}
        >>> settings_from_dict(TextConfig, text)
        TextConfig(max_tokens=32, behaviour_fields=())
        >>> settings_from_dict(TextConfig, {**text, "tokens": 3}, "text")
        Traceback (most recent call last):
        recsys_model.errors.ConfigError: text must have the keys max_tokens, behaviour_fields; unknown: tokens; missing: none
    """
    hints = get_type_hints(cls)
    found = set(document) if isinstance(document, Mapping) else set()
    if found != set(hints):
        unknown = ", ".join(sorted(found - set(hints))) or "none"
        missing = ", ".join(sorted(set(hints) - found)) or "none"
        raise ConfigError(
            f"{where or 'the settings'} must have the keys {', '.join(hints)}; unknown: {unknown}; missing: {missing}"
        )
    values: dict[str, Any] = {}
    for name, hint in hints.items():
        value = document[name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            value = settings_from_dict(hint, value, f"{where}.{name}" if where else name)
        values[name] = tuple(value) if isinstance(value, list) else value
    return cls(**values)


@dataclass(frozen=True, kw_only=True, slots=True)
class GLMConfig:
    """Geometry of a GLM (Du et al. 2021, arXiv 2103.10360)."""

    num_layers: int
    """Number of transformer blocks, at least 1."""
    hidden_size: int
    """Width of the residual stream; a multiple of `num_heads`."""
    num_heads: int
    """Number of attention heads, at least 1."""
    vocab_size: int
    """Rows of the tied word embedding."""
    max_sequence_length: int = 1024
    """Largest inter and intra position id; both tables have one row more."""
    layernorm_epsilon: float = 1e-5
    """Added to the variance in every LayerNorm."""
    gelu: Literal["erf", "tanh"] = "erf"
    """`erf`: the published Hugging Face code; `tanh`: the original training code."""
    dropout: float = 0.0
    """Dropout probability on the embeddings and on what each block adds, 0 to 1; attention weights have none."""

    def __post_init__(self) -> None:
        for name in ("num_layers", "hidden_size", "num_heads", "vocab_size", "max_sequence_length"):
            value = getattr(self, name)
            require(value >= 1, f"model.{name} must be at least 1, got {value}")
        require(
            self.hidden_size % self.num_heads == 0,
            f"model.hidden_size must be a multiple of num_heads, got {self.hidden_size} and {self.num_heads}",
        )
        require(0.0 <= self.dropout < 1.0, f"model.dropout must be in [0, 1), got {self.dropout}")


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
    """Longest text in tokens, `[CLS]`, `[EOS]` and the target included; the oldest behaviour is dropped first."""
    behaviour_fields: tuple[Literal["action", "categories", "rating", "time"], ...] = ()
    """What is told of a behaviour besides the title, in this order; columns must exist."""

    def __post_init__(self) -> None:
        require(self.max_tokens >= 16, f"text.max_tokens must be at least 16, got {self.max_tokens}")
        require(
            len(set(self.behaviour_fields)) == len(self.behaviour_fields),
            f"text.behaviour_fields names a field twice: {self.behaviour_fields}",
        )


HistoryLayout = Literal["text", "tokens", "vectors"]
"""How a request's history stands before the model: as text of part A; or in part B, its items told by their tokens, or by
their vectors alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """What is hidden from the model (paper, Training Phase; `entity` 0.5, `sentence` 0.3, `document` 0.2 is GLM-10B's mix)."""

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
    """`poisson` (default): spans of whole units up to a Poisson(3) length; `single`: exactly one unit a span (Figure 1)."""
    poisson_mean: float = 3.0
    """Mean span length in tokens with `span_units: poisson`."""
    max_span_tokens: int = 39
    """Largest length drawn with `span_units: poisson`; a single unit may be longer."""
    document_min_share: float = 0.5
    """Smallest share of the text that the document level hides, up to all of it."""
    document_span: Literal["suffix", "anywhere"] = "suffix"
    """Where the document-level span lies: at the end of the text, as in generation (default), or anywhere."""
    span_order: Literal["chronological", "shuffled"] = "chronological"
    """Order of the spans in part B: as in the text (default, paper), or drawn anew for each example, as GLM does."""
    next_item_target: Literal["last", "any", "all"] = "last"
    """Item that the supervised task asks for: the last, which is the example's target (default); any after the first; or
    all of them in one row: what comes after the first is then one document-level blank, in requests too."""
    history: Literal["tokens", "vectors"] = "tokens"
    """With `next_item_target: all`, how an item of the history stands in part B: as its `[S]` and its tokens (default), or
    as its `[S]` alone, so that the model knows it by the vector that the entity head adds there: one token an item."""
    item_loss: Literal["lm", "trie"] = "lm"
    """How the token of an item is normalised: over the vocabulary (default, paper), or over its trie children, as
    decoding does."""
    trie_temperature: float = 1.0
    """With `item_loss: trie`, logits are divided by it before they are normalised, in decoding too."""
    forced_token_weight: float = 1.0
    """With `item_loss: lm`, weight in the loss of an item's token that the trie leaves no choice, 0 to 1."""
    token_loss_weight: float = 1.0
    """Weight of the mean loss over the tokens of part B; 0 trains an entity head alone."""
    entity_loss_weight: float = 1.0
    """Weight of the mean loss over the items that begin in part B, where the model has an entity head."""
    intra_mode: Literal["paper", "run", "glm"] = "paper"
    """Intra position ids: of entities (default, paper), of runs of separate tokens too, or plain GLM (part A 0, part B
    counted through)."""
    segmentation: Literal["online", "gold"] = "online"
    """Where a unit of part B begins: `online` (default), where the position automaton of decoding sees it; `gold`, at the
    known entity boundaries, which differ where plain text looks like an entity."""

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
            "objective.history vectors is a layout of rows that ask for all items and needs objective.next_item_target all, "
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
        """How requests to a model of this training lay their history out."""
        return self.history if self.next_item_target == "all" else "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class TasksConfig:
    """Multi-task training with question templates (paper, Implementation); the default asks none, as without it."""

    template_share: float = 0.0
    """Share of the examples that are asked as a question; the others are told plainly and hide spans as always."""
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
    """Candidates told in a question, the right one included, at least 2; all their titles must fit into the text."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraConfig:
    """Low-rank adapters on the four named linears of every layer (paper, Implementation)."""

    enabled: bool = True
    """False trains all weights, which a small model trained from scratch needs."""
    rank: int = 8
    """Rank of the update, at least 1; the paper searches 2, 4, 8, 16, 32."""
    alpha: float = 16.0
    """The update is scaled by alpha / rank."""
    dropout: float = 0.0
    """Dropout on the input of the adapters, 0 to 1."""
    train_position_embeddings: bool = False
    """Also train both position tables: GLM has seen few intra ids in the places where entities put them."""

    def __post_init__(self) -> None:
        require(self.rank >= 1, f"lora.rank must be at least 1, got {self.rank}")
        require(self.alpha > 0.0, f"lora.alpha must be above 0, got {self.alpha}")
        require(0.0 <= self.dropout < 1.0, f"lora.dropout must be in [0, 1), got {self.dropout}")


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """AdamW with warm-up and a decaying learning rate."""

    learning_rate: float = 1e-5
    """Peak learning rate; 1.0e-5 is the paper's for GLM-10B."""
    weight_decay: float = 0.01
    """Decoupled weight decay of matrices; biases, LayerNorms and embeddings have none."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Decay of AdamW's two moments."""
    warmup_share: float = 0.05
    """Share of the steps in which the rate rises linearly from 0."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the rate goes on after the warm-up."""
    final_share: float = 0.1
    """The last learning rate as a share of the peak (not with `constant`)."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this global norm."""

    def __post_init__(self) -> None:
        require(self.learning_rate > 0.0, f"optimizer.learning_rate must be above 0, got {self.learning_rate}")
        require(self.weight_decay >= 0.0, f"optimizer.weight_decay must not be negative, got {self.weight_decay}")
        require(
            len(self.betas) == 2 and all(0.0 <= beta < 1.0 for beta in self.betas),
            f"optimizer.betas must be two numbers in [0, 1), got {self.betas}",
        )
        require(0.0 <= self.warmup_share <= 1.0, f"optimizer.warmup_share must be in [0, 1], got {self.warmup_share}")
        require(0.0 <= self.final_share <= 1.0, f"optimizer.final_share must be in [0, 1], got {self.final_share}")
        require(self.max_grad_norm > 0.0, f"optimizer.max_grad_norm must be above 0, got {self.max_grad_norm}")


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodingConfig:
    """Trie-guided generation: beam search, or exact."""

    num_beams: int = 20
    """Beams per request; at least the number of items asked for."""
    scoring: Scoring = "trie"
    """`trie`: tokens, each step renormalised over the allowed children; `lm`: tokens, as the language model gives them;
    `entity`: whole items, by the entity head; `blend`: both and co-occurrence, weighted as validation events found best."""
    exact: bool = False
    """Best-first search in place of beams: the items with the highest scores, proven."""
    max_expansions: int = 5000
    """With `exact`, the search of a request ends after so many nodes, and says how far off its answer could be."""
    reuse_mb: int = 0
    """Megabytes of keys and values of earlier prompts that are kept: an identical part A, or with `model.mask: causal`
    what it begins with, is not encoded again."""

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


PRESETS: dict[str, GLMConfig] = {
    "glm-10b": GLMConfig(num_layers=48, hidden_size=4096, num_heads=64, vocab_size=50304),
    "glm-2b": GLMConfig(num_layers=36, hidden_size=2048, num_heads=32, vocab_size=50304),
    "glm-large": GLMConfig(num_layers=24, hidden_size=1024, num_heads=16, vocab_size=30592, max_sequence_length=512),
    "glm-mini": GLMConfig(num_layers=4, hidden_size=192, num_heads=6, vocab_size=8192),
}
"""Published geometries, and `glm-mini` (trained from scratch; its vocabulary follows its own tokenizer)."""

PLAIN_GLM = ObjectiveConfig(mask_units="token", span_order="shuffled", intra_mode="glm")
"""GLM's own masks, order and position ids, which know no entities, beside the same supervised task: the paper's baseline
of a fine-tuned GLM, and our ablation. `next_item_weight: 0.0` leaves GLM's pretraining alone."""
