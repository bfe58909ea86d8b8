"""The sections of a run's YAML file, one frozen dataclass each, with their range checks.

What the model side needs has its dataclasses in `recsys_model.config`.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

from recsys_model.backbones.geometry import CausalConfig, ChatGLMConfig, Mask, new_llama
from recsys_model.config import PRESETS, GLMConfig, require


@dataclass(frozen=True, kw_only=True, slots=True)
class TableConfig:
    """One input table."""

    path: str
    """File or folder: a local path, `s3://` or `gs://`; `{storage}` is replaced."""
    further_paths: tuple[str, ...] = ()
    """More files or folders of the same table and file system, read after `path`; ids mean the same in all of them."""
    format: Literal["auto", "parquet", "csv", "jsonl"] = "auto"
    """`auto` goes by the file name's ending."""
    columns: dict[str, str] = field(default_factory=dict)
    """Our name -> the table's column name; a column not named here must carry our name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputConfig:
    """The tables of a shop, or a folder that they are imported from, and how many bad rows are tolerated."""

    interactions: TableConfig
    """Columns user_id, item_id, timestamp; optional position, rating, action, review_text, summary."""
    items: TableConfig
    """Columns item_id, title; optional brand, categories, price, description."""
    users: TableConfig | None = None
    """Column user_id and any features."""
    folder: str | None = None
    """A folder to take all tables from, in place of naming them: a local path, `s3://` or `gs://`."""
    format: Literal["auto", "tables", "mcauley", "movielens", "recbole", "p5"] = "auto"
    """What is in `folder`; `auto` goes by its files."""
    user_features: tuple[str, ...] | None = None
    """Feature columns of `users` to tell the model; none given takes all of them."""
    catalog: Literal["items", "interactions"] = "items"
    """`items`: every row of the items table, and interactions with other items are rejected; `interactions`: the items
    that occur there, without title where the items table has no row of them."""
    max_reject_share: float = 0.1
    """The data stage stops when a larger share of a table's rows has to be rejected."""

    def __post_init__(self) -> None:
        require(
            0.0 <= self.max_reject_share <= 1.0,
            f"input.max_reject_share must be in [0, 1], got {self.max_reject_share}",
        )
        require(
            self.folder is not None or self.format == "auto",
            f"input.format says what is in input.folder, which is missing; got input.format {self.format}",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerConfig:
    """Where the token ids come from."""

    path: str | None = None
    """Tokenizer of the published model: a folder (see `recsys_model.text.pretrained`) or GGUF file; none trains a BPE."""
    vocab_size: int = 8192
    """Size of the trained BPE, special tokens included."""
    merge_words: bool = False
    """Whether a token of the trained BPE may span several words, which makes titles shorter."""

    def __post_init__(self) -> None:
        require(self.vocab_size >= 300, f"tokenizer.vocab_size must be at least 300, got {self.vocab_size}")


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """The data stage."""

    num_blocks: int = 4
    """Partitions of the per-user shuffle; the examples do not depend on it."""
    min_user_interactions: int = 3
    """Users with fewer accepted interactions give no example: leave-one-out needs a test, a validation and an input event."""
    targets_per_user: int = 1
    """Training examples per user: its last so many training events, each a target once; 0 takes every event."""
    max_eval_users: int = 0
    """Users in the validation split, drawn by seed among those who have a validation event; 0 takes all."""
    split: Literal["leave_one_out", "temporal"] = "leave_one_out"
    """`leave_one_out`: each user's last event tests, the one before validates; `temporal`: all users' events are cut at
    the same two moments, and each user's first event of a period is asked for."""
    valid_share: float = 0.1
    """With `split: temporal`, share of all events in the validation period."""
    test_share: float = 0.1
    """With `split: temporal`, share of all events in the test period."""
    max_leak_share: float = 0.01
    """The data stage stops when the input gives away a larger share of the test targets; 1.0 only reports."""

    def __post_init__(self) -> None:
        require(self.num_blocks >= 1, f"data.num_blocks must be at least 1, got {self.num_blocks}")
        require(
            self.min_user_interactions >= 3,
            f"data.min_user_interactions must be at least 3, got {self.min_user_interactions}",
        )
        require(self.targets_per_user >= 0, f"data.targets_per_user must not be negative, got {self.targets_per_user}")
        require(
            0.0 <= self.max_leak_share <= 1.0,
            f"data.max_leak_share must be in [0, 1], got {self.max_leak_share}",
        )
        require(
            min(self.valid_share, self.test_share) > 0.0 and self.valid_share + self.test_share < 1.0,
            "data.valid_share and data.test_share must be above 0 and add up to less than 1, got "
            f"{self.valid_share} and {self.test_share}",
        )
        require(self.max_eval_users >= 0, f"data.max_eval_users must not be negative, got {self.max_eval_users}")


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
    mask: Mask | None = None
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
    precision: Literal["fp32", "bf16"] = "fp32"
    """Type of the weights and activations."""
    batch_size: int = 16
    """Examples per worker and micro step."""
    accumulation_steps: int = 1
    """Micro steps per optimiser step."""
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
    keep_checkpoints: int = 2
    """Resumable checkpoints kept on disk."""
    max_failures: int = 3
    """Times that a dead worker may be replaced before the run fails."""

    def __post_init__(self) -> None:
        for name in ("num_workers", "cpus_per_worker", "batch_size", "accumulation_steps", "epochs", "log_every_steps"):
            value = getattr(self, name)
            require(value >= 1, f"train.{name} must be at least 1, got {value}")
        for name in ("validate_every_steps", "max_validation_batches", "keep_checkpoints"):
            value = getattr(self, name)
            require(value >= 1, f"train.{name} must be at least 1, got {value}")
        require(self.max_failures >= 0, f"train.max_failures must not be negative, got {self.max_failures}")
        require(
            self.max_minutes is None or self.max_minutes > 0.0,
            f"train.max_minutes must be above 0, got {self.max_minutes}",
        )
        require(
            self.precision == "fp32" or self.zero_stage >= 1,
            f"train.precision bf16 needs train.zero_stage of 1 or more, got {self.zero_stage}",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TuneConfig:
    """The search for the LoRA rank (Figure 3)."""

    ranks: tuple[int, ...] = (2, 4, 8, 16, 32)
    """Ranks to try; the paper's by default."""
    max_concurrent_trials: int = 1
    """Trials that train at the same time."""
    num_users: int = 500
    """Validation users on which each trial's HR@1 is measured; 0 takes all."""

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
class ServeConfig:
    """The HTTP endpoint."""

    host: str = "127.0.0.1"
    """Address that the proxy binds; 0.0.0.0 opens it to the network."""
    port: int = 8000
    """Port of the proxy, outside 10002-19999, which Ray keeps for its workers."""
    max_batch_size: int = 8
    """Requests decoded together."""
    batch_wait_s: float = 0.01
    """How long a batch waits to fill up."""
    min_replicas: int = 1
    """Replicas of the generator when idle."""
    max_replicas: int = 2
    """Replicas of the generator under load."""
    target_ongoing_requests: int = 8
    """Requests in flight per replica above which the autoscaler adds one."""
    cpus_per_replica: float = 1.0
    """CPU cores of each generator replica."""
    use_gpu: bool = False
    """One GPU per generator replica."""
    max_queued_requests: int = 64
    """Requests that may wait; further ones are answered 429."""

    def __post_init__(self) -> None:
        require(1 <= self.port <= 65535, f"serve.port must be in 1..65535, got {self.port}")
        require(not 10002 <= self.port <= 19999, f"serve.port must lie outside Ray's 10002-19999, got {self.port}")
        require(self.max_batch_size >= 1, f"serve.max_batch_size must be at least 1, got {self.max_batch_size}")
        require(self.batch_wait_s >= 0.0, f"serve.batch_wait_s must not be negative, got {self.batch_wait_s}")
        require(
            1 <= self.min_replicas <= self.max_replicas,
            f"serve.min_replicas must be in 1..max_replicas, got {self.min_replicas} and {self.max_replicas}",
        )
        require(
            self.target_ongoing_requests >= 1,
            f"serve.target_ongoing_requests must be at least 1, got {self.target_ongoing_requests}",
        )
        require(self.cpus_per_replica > 0.0, f"serve.cpus_per_replica must be above 0, got {self.cpus_per_replica}")
        require(
            self.max_queued_requests >= 1,
            f"serve.max_queued_requests must be at least 1, got {self.max_queued_requests}",
        )
