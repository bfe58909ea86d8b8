"""One YAML file, one run: strict loading into frozen dataclasses.

Every bad key and value is reported at once with its path. Values can be overridden with
`--set lora.rank=16`. `{storage}` inside a path stands for the storage folder of the run.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args, get_type_hints

import pydantic
import yaml

from recsys_model.config import (
    PRESETS,
    DecodingConfig,
    GLMConfig,
    LoraConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TextConfig,
    WindowConfig,
    require,
)
from recsys_model.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class TableConfig:
    """One input table."""

    path: str
    """File or folder: a local path, `s3://` or `gs://`; `{storage}` is replaced."""
    format: Literal["auto", "parquet", "csv", "jsonl"] = "auto"
    """`auto` goes by the file name's ending."""
    columns: dict[str, str] = field(default_factory=dict)
    """Our name -> the table's column name; a column not named here must carry our name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputConfig:
    """The tables of a shop and how many bad rows are tolerated."""

    interactions: TableConfig
    """Columns user_id, item_id, timestamp; optional position, rating, action, review_text, summary."""
    items: TableConfig
    """Columns item_id, title; optional brand, categories, price, description."""
    users: TableConfig | None = None
    """Column user_id and any features."""
    user_features: tuple[str, ...] | None = None
    """Feature columns of `users` to tell the model; none given takes all of them."""
    max_reject_share: float = 0.1
    """The data stage stops when a larger share of a table's rows has to be rejected."""

    def __post_init__(self) -> None:
        require(
            0.0 <= self.max_reject_share <= 1.0,
            f"input.max_reject_share must be in [0, 1], got {self.max_reject_share}",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenizerConfig:
    """Where the token ids come from."""

    path: str | None = None
    """Folder of a published GLM tokenizer (GPT-2 vocab.json and merges.txt); none trains a BPE on the catalogue."""
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
    """Users in the validation split, drawn by seed; 0 takes all."""

    def __post_init__(self) -> None:
        require(self.num_blocks >= 1, f"data.num_blocks must be at least 1, got {self.num_blocks}")
        require(
            self.min_user_interactions >= 3,
            f"data.min_user_interactions must be at least 3, got {self.min_user_interactions}",
        )
        require(self.targets_per_user >= 0, f"data.targets_per_user must not be negative, got {self.targets_per_user}")
        require(self.max_eval_users >= 0, f"data.max_eval_users must not be negative, got {self.max_eval_users}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Which GLM, and where its weights come from."""

    preset: Literal["glm-10b", "glm-2b", "glm-large", "glm-mini"] = "glm-mini"
    """Geometry to start from; its vocabulary follows the tokenizer when the weights are new."""
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
    """A checkpoint artifact of this project or the folder of a published GLM; none starts from random weights."""

    def geometry(self, vocab_size: int) -> GLMConfig:
        """Return the preset with this section's replacements and `vocab_size` rows of word embeddings."""
        names = ("num_layers", "hidden_size", "num_heads", "max_sequence_length", "dropout")
        changes = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return dataclasses.replace(PRESETS[self.preset], vocab_size=vocab_size, **changes)


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
class EvaluateConfig:
    """Ranking the held-out item of each user against the whole catalogue."""

    split: Literal["test", "valid"] = "test"
    """`test`: the last event of each user; `valid`: the one before."""
    num_users: int = 0
    """Users to evaluate, drawn by seed; 0 takes all."""
    num_workers: int = 2
    """Actors that share the users."""
    batch_size: int = 16
    """Users decoded together."""
    exclude_seen: bool = False
    """Whether items already in the user's history are taken out of the ranking."""
    bootstrap_samples: int = 1000
    """Resamples of the users for the 95 % intervals."""
    use_gpu: bool = False
    """One GPU, and bf16, for each worker."""

    def __post_init__(self) -> None:
        require(self.num_users >= 0, f"evaluate.num_users must not be negative, got {self.num_users}")
        for name in ("num_workers", "batch_size", "bootstrap_samples"):
            value = getattr(self, name)
            require(value >= 1, f"evaluate.{name} must be at least 1, got {value}")


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


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """Everything that one run needs, from tables to endpoint."""

    name: str
    """Folder of the run under `storage`, and its name in Ray."""
    input: InputConfig
    """The tables."""
    storage: str = "~/recsys-runs"
    """Folder of all runs: a local path or a volume mounted at one path on every node."""
    dataset: str | None = None
    """A dataset artifact to use in place of this run's own."""
    seed: int = 0
    """Seed of everything that is drawn."""
    num_cpus: int | None = None
    """Logical CPUs of a Ray that this command starts itself; none counts the machine's."""
    data: DataConfig = field(default_factory=DataConfig)
    """The data stage."""
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    """Where token ids come from."""
    window: WindowConfig = field(default_factory=WindowConfig)
    """Time-window sampling of the history."""
    text: TextConfig = field(default_factory=TextConfig)
    """How rows become text."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Geometry and weights."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """What is hidden from the model."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    """Low-rank adapters."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """AdamW and its schedule."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """The training stage."""
    tune: TuneConfig = field(default_factory=TuneConfig)
    """The search for the LoRA rank."""
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    """Trie-guided beam search."""
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    """The evaluation."""
    serve: ServeConfig = field(default_factory=ServeConfig)
    """The HTTP endpoint."""

    def __post_init__(self) -> None:
        valid = self.name != "" and all(part.isalnum() or part in "-_" for part in self.name)
        require(valid, f"name must consist of letters, digits, '-' and '_', got {self.name!r}")

    @property
    def folder(self) -> Path:
        """Folder of this run."""
        return Path(self.storage) / self.name

    @property
    def dataset_folder(self) -> Path:
        """The dataset artifact that this run reads or writes."""
        return Path(self.dataset) if self.dataset is not None else self.folder / "dataset"

    @property
    def checkpoint_folder(self) -> Path:
        """The checkpoint artifact of this run."""
        return self.folder / "checkpoint"

    @property
    def bundle_folder(self) -> Path:
        """The bundle artifact of this run."""
        return self.folder / "bundle"

    @property
    def evaluation_folder(self) -> Path:
        """Report of the evaluation of this run."""
        return self.folder / "evaluation"


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run's YAML file, apply `key.path=value` overrides and check everything.

    Raises:
        ConfigError: the file is missing or not YAML, or any key or value is wrong; all of them are listed.
    """
    path = Path(path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"config file {path} does not exist") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"config file {path} cannot be read as YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"config file {path} must hold a mapping of settings, got {type(document).__name__}")
    for override in overrides:
        _apply_override(document, override)
    return build_config(document, source=str(path))


def build_config(document: Mapping[str, Any], source: str = "config") -> RunConfig:
    """Check a nested mapping and fill a `RunConfig` from it.

    Raises:
        ConfigError: any key or value is wrong; all of them are listed with their paths.
    """
    return _with_absolute_paths(build_section(RunConfig, document, source))


def build_section(cls: type[T], document: Mapping[str, Any], source: str) -> T:
    """Check a nested mapping and fill one settings class from it.

    Raises:
        ConfigError: any key or value is wrong; all of them are listed with their paths.
    """
    try:
        checked = _strict_model(cls).model_validate(dict(document))
    except pydantic.ValidationError as error:
        lines = [_describe(problem) for problem in error.errors()]
        raise ConfigError(f"{source} is not valid:\n  " + "\n  ".join(lines)) from error
    problems: list[str] = []
    section = _build(cls, checked, problems)
    if section is None or problems:
        raise ConfigError(f"{source} is not valid:\n  " + "\n  ".join(problems))
    return section


def config_to_dict(config: RunConfig) -> dict[str, Any]:
    """Return the whole configuration as plain JSON types."""
    return _plain(dataclasses.asdict(config))


def _strict_model(cls: type) -> type[pydantic.BaseModel]:
    """Mirror a dataclass, and those inside it, as pydantic models that reject unknown keys."""
    hints = get_type_hints(cls)
    fields: dict[str, Any] = {}
    for item in dataclasses.fields(cls):
        kind = _strict_type(hints[item.name])
        if item.default is not dataclasses.MISSING:
            fields[item.name] = (kind, item.default)
        elif item.default_factory is not dataclasses.MISSING:
            fields[item.name] = (kind, pydantic.Field(default_factory=dict, validate_default=True))
        else:
            fields[item.name] = (kind, ...)
    settings = pydantic.ConfigDict(extra="forbid", protected_namespaces=())
    return pydantic.create_model(cls.__name__, __config__=settings, **fields)


def _strict_type(hint: Any) -> Any:
    nested = _dataclass_in(hint)
    if nested is None:
        return hint
    model = _strict_model(nested)
    return model if hint is nested else model | None


def _dataclass_in(hint: Any) -> type | None:
    """Return the dataclass that a hint `X` or `X | None` names, if there is one."""
    for candidate in (hint, *get_args(hint)):
        if isinstance(candidate, type) and dataclasses.is_dataclass(candidate):
            return candidate
    return None


def _build(cls: type[T], checked: pydantic.BaseModel, problems: list[str], path: str = "") -> T | None:
    """Fill the dataclass from its checked mirror; range errors are collected, not raised."""
    values: dict[str, Any] = {}
    complete = True
    for item in dataclasses.fields(cast(Any, cls)):
        value = getattr(checked, item.name)
        if isinstance(value, pydantic.BaseModel):
            nested = _dataclass_in(get_type_hints(cls)[item.name])
            assert nested is not None, f"{item.name} was mirrored from a dataclass"
            value = _build(nested, value, problems, f"{path}{item.name}.")
            complete = complete and value is not None
        values[item.name] = value
    if not complete:
        return None
    try:
        return cls(**values)
    except ConfigError as error:
        problems.append(str(error))
        return None


def _describe(problem: Any) -> str:
    """Turn one finding of pydantic into `where: rule, value`."""
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key"
    if problem["type"] == "missing":
        return f"{where}: required, but missing"
    return f"{where}: {problem['msg']}, got {problem['input']!r}"


def _apply_override(document: dict[str, Any], override: str) -> None:
    """Set one `key.path=value` in the nested document; the value is read as YAML."""
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"--set wants key.path=value, got {override!r}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override!r}: the value is not YAML: {error}") from error
    *parents, last = key.strip().split(".")
    node = document
    for parent in parents:
        child = node.setdefault(parent, {})
        if child is None:
            child = node[parent] = {}
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override!r}: {parent} is a value, not a section")
        node = child
    node[last] = value


def _with_absolute_paths(config: RunConfig) -> RunConfig:
    """Make every local path absolute, `~` expanded and `{storage}` replaced."""
    if "://" in config.storage:
        raise ConfigError(
            f"storage must be a local path or a volume mounted on every node, got {config.storage!r}; "
            "only input tables may lie in object storage"
        )
    storage = _absolute(config.storage, "storage")

    def resolve(path: str | None, key: str) -> str | None:
        if path is None or "://" in path:
            return path
        return _absolute(path.replace("{storage}", storage), key)

    def resolve_table(table: TableConfig, key: str) -> TableConfig:
        path = resolve(table.path, key)
        assert path is not None, "a table always has a path"
        return dataclasses.replace(table, path=path)

    tables = dataclasses.replace(
        config.input,
        interactions=resolve_table(config.input.interactions, "input.interactions.path"),
        items=resolve_table(config.input.items, "input.items.path"),
        users=None if config.input.users is None else resolve_table(config.input.users, "input.users.path"),
    )
    return dataclasses.replace(
        config,
        storage=storage,
        dataset=resolve(config.dataset, "dataset"),
        input=tables,
        tokenizer=dataclasses.replace(config.tokenizer, path=resolve(config.tokenizer.path, "tokenizer.path")),
        model=dataclasses.replace(config.model, weights=resolve(config.model.weights, "model.weights")),
    )


def _absolute(path: str, key: str) -> str:
    expanded = Path(path).expanduser()
    if not expanded.is_absolute() and key == "storage" and "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        raise ConfigError(
            f"storage must be an absolute path inside a Ray job, got {path!r}: the job runs in a temporary copy "
            "of the working directory, and what it writes there is lost"
        )
    return str(expanded.absolute())


def _plain(value: Any) -> Any:
    """Turn tuples into lists, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
