"""Settings of the model and of the stages that use it; one frozen dataclass each, with range checks.

The model package has dataclasses of its own in `recsys_model.config`; `config/input.py` has those of tables and data stage.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from recsys_model.backbones.geometry import CausalConfig, ChatGLMConfig, MaskKind, new_llama
from recsys_model.config import PRESETS, GLMConfig, require
from recsys_model.text.tasks import TASKS

BASELINES_WITH_EPOCHS = ("sasrec", "last_item", "bpr", "mf", "gru4rec", "sasrec_cornac", "bert4rec")
"""Baselines that pass over the training events several times."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Which language model, and where its weights come from."""

    family: Literal["glm", "chatglm", "causal"] = "glm"
    """`glm`; `chatglm`: ChatGLM-6B; `causal`: a decoder of transformers (Llama, SmolLM2, Qwen2, Qwen3)."""
    preset: Literal["glm-10b", "glm-2b", "glm-large", "glm-mini"] = "glm-mini"
    """Sizes of a new model to start from, whatever the family; its vocabulary follows the tokenizer."""
    num_layers: int | None = None
    """Replaces the preset's value when given."""
    hidden_size: int | None = None
    """Replaces the preset's value when given."""
    num_heads: int | None = None
    """Replaces the preset's value when given."""
    max_sequence_length: int | None = None
    """Replaces the preset's value when given."""
    dropout: float | None = None
    """Replaces the preset's value when given."""
    weights: str | None = None
    """A checkpoint artifact, the folder of a published model, or a GGUF file; none starts from random weights."""
    mask: MaskKind | None = None
    """What part A sees in a causal decoder: `prefix`, itself in both directions, or `causal`; none: as the weights say."""

    def __post_init__(self) -> None:
        require(
            self.mask is None or self.family == "causal",
            f"model.mask is for model.family causal, got {self.mask!r} for {self.family}; take it out",
        )
        require(
            self.dropout is None or self.family == "glm",
            f"model.dropout is for model.family glm, got {self.dropout} for {self.family}; take it out",
        )

    def geometry(self, vocab_size: int) -> GLMConfig | ChatGLMConfig | CausalConfig:
        """Return the family's geometry of the preset's sizes, this section's replacements and `vocab_size` rows."""
        names = ("num_layers", "hidden_size", "num_heads", "max_sequence_length", "dropout")
        changes = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        glm = dataclasses.replace(PRESETS[self.preset], vocab_size=vocab_size, **changes)
        if self.family == "glm":
            return glm
        sizes = {name: getattr(glm, name) for name in (*names[:3], "vocab_size")}
        if self.family == "chatglm":
            inner_size, length = 4 * glm.hidden_size, glm.max_sequence_length
            return ChatGLMConfig(**sizes, inner_hidden_size=inner_size, max_sequence_length=length)
        return new_llama(**sizes, max_length=glm.max_sequence_length, mask=self.mask or "prefix")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """The training stage: workers, DeepSpeed, schedule, checkpoints."""

    num_workers: int = 2
    """Data-parallel workers, at least 1."""
    use_gpu: bool = False
    """One GPU per worker."""
    cpus_per_worker: int = 1
    """CPU cores, and so torch threads, of each worker."""
    zero_stage: Literal[0, 1, 2, 3] = 1
    """DeepSpeed ZeRO stage; bf16 needs 1 or more."""
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    """Type of the weights and activations; the optimiser's are fp32. `auto`: bf16 on GPUs, and on a CPU that multiplies it
    fast (AVX-512 BF16), where `zero_stage` allows it; the checkpoint says which it was."""
    batch_size: int = 16
    """Examples per worker and micro step."""
    accumulation_steps: int = 1
    """Micro steps per optimiser step."""
    packing: bool | None = None
    """Whether the examples of a micro step share rows, none seeing another, instead of being padded to the longest. None:
    on CPU, where it was measured, and not on GPUs."""
    row_tokens: int = 4096
    """With packing, tokens of a row at most; a longer example widens it."""
    activation_checkpointing: bool = False
    """Keep the states between transformer blocks only and compute the rest again for the gradient: less memory, a third
    more work."""
    epochs: int = 8
    """Passes over the training examples; the hidden spans are drawn anew each time."""
    max_minutes: float | None = None
    """Stop after so many minutes of training even if epochs are left, the schedule following the clock."""
    log_every_steps: int = 10
    """Optimiser steps between two lines of metrics."""
    validate_every_steps: int = 200
    """Optimiser steps between two validation losses and checkpoints."""
    max_validation_batches: int = 20
    """Batches per worker in one validation loss."""
    keep: Literal["last", "best"] = "last"
    """Weights of the checkpoint: of the last step, or of the validation with the best NDCG@10 of the entity head over all
    validation users, each of whom has one target."""
    patience: int | None = None
    """With `keep: best`, the run ends after so many validations in a row without a better one; none goes on to the end."""
    keep_checkpoints: int = 2
    """Resumable checkpoints kept on disk."""
    max_failures: int = 3
    """Times that a dead worker may be replaced before the run fails."""

    def __post_init__(self) -> None:
        for name in (
            "num_workers",
            "cpus_per_worker",
            "batch_size",
            "accumulation_steps",
            "epochs",
            "log_every_steps",
            "row_tokens",
        ):
            value = getattr(self, name)
            require(value >= 1, f"train.{name} must be at least 1, got {value}")
        for name in ("validate_every_steps", "max_validation_batches", "keep_checkpoints"):
            value = getattr(self, name)
            require(value >= 1, f"train.{name} must be at least 1, got {value}")
        require(
            self.patience is None or (self.patience >= 1 and self.keep == "best"),
            f"train.patience must be at least 1, and belongs to train.keep: best, got {self.patience} and {self.keep}",
        )
        require(self.max_failures >= 0, f"train.max_failures must not be negative, got {self.max_failures}")
        require(
            self.max_minutes is None or self.max_minutes > 0.0,
            f"train.max_minutes must be above 0, got {self.max_minutes}",
        )
        require(
            self.precision != "bf16" or self.zero_stage >= 1,
            f"train.precision bf16 needs train.zero_stage of 1 or more, got {self.zero_stage}",
        )

    @property
    def packed_row_tokens(self) -> int | None:
        """Tokens of a row in which examples are packed; None pads each in a row of its own."""
        packs = not self.use_gpu if self.packing is None else self.packing
        return self.row_tokens if packs else None


@dataclass(frozen=True, kw_only=True, slots=True)
class TuneConfig:
    """The search for the LoRA rank (Figure 3)."""

    ranks: tuple[int, ...] = (2, 4, 8, 16, 32)
    """Ranks to try; the paper's by default."""
    max_concurrent_trials: int = 1
    """Trials that train at the same time."""
    num_users: int = 500
    """Validation users on which each trial's HR@1 is measured; 0 takes all."""
    competitors: Literal["catalogue", "candidates"] = "catalogue"
    """Whom the item has to beat: `catalogue`, every item; `candidates`, the items that a question of the task `candidate`
    lists (Table 9, whose HR@1 is the point of rank 8 in Figure 3), for which `tasks.candidate_weight` must be above 0."""

    def __post_init__(self) -> None:
        require(len(self.ranks) > 0, "tune.ranks must name at least one rank")
        require(min(self.ranks, default=1) >= 1, f"tune.ranks must be at least 1, got {self.ranks}")
        require(len(set(self.ranks)) == len(self.ranks), f"tune.ranks names a rank twice: {self.ranks}")
        require(
            self.max_concurrent_trials >= 1,
            f"tune.max_concurrent_trials must be at least 1, got {self.max_concurrent_trials}",
        )
        require(self.num_users >= 0, f"tune.num_users must not be negative, got {self.num_users}")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig:
    """Ranking the held-out item of each user against the whole catalogue."""

    split: Literal["test", "valid"] = "test"
    """`test`: the last event of each user; `valid`: the one before."""
    num_users: int = 0
    """Users to evaluate, drawn by seed; 0 takes all."""
    num_workers: int = 2
    """Actors that share the users, and baselines that are trained side by side."""
    batch_size: int = 16
    """Users decoded together."""
    competitors: tuple[Literal["catalogue", "sampled", "given"], ...] = ("catalogue",)
    """Whom the target has to beat, one table each: every item; itself and `num_negatives` seeded items that the user
    never took; or the items of `candidates`."""
    num_negatives: int = 99
    """With `sampled`, negatives of each user."""
    negatives_seed: int = 0
    """With `sampled`, seed of the negatives; apart from the run's own, so that all runs meet the same."""
    candidates: str | None = None
    """With `given`, a Parquet or CSV file with the columns user_id and item_id, the user's held-out item among them."""
    exclude_seen: bool = False
    """Whether items already in the user's history are taken out of the whole catalogue."""
    baselines: tuple[
        Literal[
            "popularity",
            "co_occurrence",
            "sasrec",
            "last_item",
            "most_popular",
            "item_knn",
            "ease",
            "bpr",
            "mf",
            "gru4rec",
            "sasrec_cornac",
            "bert4rec",
        ],
        ...,
    ] = ("popularity", "co_occurrence")
    """What else ranks the same cases; all but the first four need `pip install 'recsysllm-on-ray[baselines]'`."""
    baseline_epochs: Mapping[str, int] = field(default_factory=dict)
    """Passes of a baseline over the training events, where they are to be others than its own number of them; of
    `sasrec` and `last_item` at most so many, of which the best by validation NDCG@10 is kept."""
    baseline_patience: int = 20
    """`sasrec` and `last_item` stop after so many passes in a row without a better validation NDCG@10."""
    bootstrap_samples: int = 1000
    """Resamples of the users for the 95 % intervals."""
    tasks: bool | tuple[str, ...] = True
    """Tasks to ask, by name; true takes all that the checkpoint was trained on, false none."""
    task_users: int = 1000
    """Users whom each task is asked about, drawn by seed; 0 takes all."""
    use_gpu: bool = False
    """One GPU, and bf16, for each worker."""

    def __post_init__(self) -> None:
        require(self.num_users >= 0, f"evaluate.num_users must not be negative, got {self.num_users}")
        require(self.task_users >= 0, f"evaluate.task_users must not be negative, got {self.task_users}")
        unknown = [] if isinstance(self.tasks, bool) else [task for task in self.tasks if task not in TASKS]
        require(not unknown, f"evaluate.tasks must be true, false or names out of {', '.join(TASKS)}; got {unknown}")
        for name in ("num_workers", "batch_size", "bootstrap_samples", "num_negatives", "baseline_patience"):
            value = getattr(self, name)
            require(value >= 1, f"evaluate.{name} must be at least 1, got {value}")
        require(
            0 < len(set(self.baselines)) == len(self.baselines),
            f"evaluate.baselines must name each baseline once, and at least one, got {self.baselines}",
        )
        for name, epochs in self.baseline_epochs.items():
            require(epochs >= 1, f"evaluate.baseline_epochs.{name} must be at least 1, got {epochs}")
            require(
                name in self.baselines and name in BASELINES_WITH_EPOCHS,
                f"evaluate.baseline_epochs may name those of {', '.join(BASELINES_WITH_EPOCHS)} that are among "
                f"evaluate.baselines, got {name}",
            )
        names = set(self.competitors)
        require(
            0 < len(names) == len(self.competitors),
            f"evaluate.competitors must name each table once, and at least one, got {self.competitors}",
        )
        require(
            ("given" in names) == (self.candidates is not None),
            f"evaluate.candidates belongs to evaluate.competitors: given, got {self.candidates} for {self.competitors}",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class BundleConfig:
    """What an endpoint loads."""

    adapter: Literal["auto", "merged", "separate"] = "auto"
    """Where a LoRA adapter goes: `merged` into the weights, which are float32 then; `separate`, next to the weights of
    its base in the type that they are stored in, and merged in float32 whenever the bundle is loaded. `auto`: separate
    where the base is stored in 16 bits. Merged weights of 16 bits would round most of a small update away."""
    compared_users: int = 16
    """Validation users for whom the bundle must recommend what the evaluated model recommends; 0 compares nothing."""

    def __post_init__(self) -> None:
        require(self.compared_users >= 0, f"bundle.compared_users must not be negative, got {self.compared_users}")
