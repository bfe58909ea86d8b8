"""One YAML file, one run: strict loading into frozen dataclasses.

Every bad key and value is reported at once with its path. Values can be overridden with
`--set lora.rank=16`. `{storage}` inside a path stands for the storage folder of the run.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from recsys_model.config import (
    DecodingConfig,
    GenerationConfig,
    LoraConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TasksConfig,
    TextConfig,
    WindowConfig,
    require,
)
from recsys_model.entity_config import EntityConfig
from recsys_model.errors import ConfigError
from recsys_platform.config.input import DataConfig, InputConfig, TableConfig, TokenizerConfig
from recsys_platform.config.paths import Paths, absolute
from recsys_platform.config.serve import ServeConfig
from recsys_platform.config.stages import BundleConfig, EvaluateConfig, ModelConfig, TrainConfig, TuneConfig
from recsys_platform.config.strict import apply_override, build_section

IMPORTED = ("interactions", "items")
"""Tables that every imported folder gives."""


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
    checkpoint: str | None = None
    """A checkpoint artifact to evaluate, bundle or serve in place of this run's own; a run with one cannot be trained."""
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
    entity: EntityConfig = field(default_factory=EntityConfig)
    """The entity head, which scores whole items."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """What is hidden from the model."""
    tasks: TasksConfig = field(default_factory=TasksConfig)
    """Questions in place of plain texts."""
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
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    """Answers in free text."""
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    """The evaluation."""
    bundle: BundleConfig = field(default_factory=BundleConfig)
    """The bundle."""
    serve: ServeConfig = field(default_factory=ServeConfig)
    """The HTTP endpoint."""

    def __post_init__(self) -> None:
        valid = self.name != "" and all(part.isalnum() or part in "-_" for part in self.name)
        require(valid, f"name must consist of letters, digits, '-' and '_', got {self.name!r}")
        require(self.num_cpus is None or self.num_cpus >= 1, f"num_cpus must be at least 1, got {self.num_cpus}")

    @property
    def folder(self) -> Path:
        """Folder of this run."""
        return Path(self.storage) / self.name

    @property
    def dataset_folder(self) -> Path:
        """The dataset artifact that this run reads or writes."""
        return Path(self.dataset) if self.dataset is not None else self.folder / "dataset"

    @property
    def tables_folder(self) -> Path:
        """The tables that were imported from `input.folder`."""
        return self.folder / "tables"

    @property
    def checkpoint_folder(self) -> Path:
        """The checkpoint artifact that this run reads or writes."""
        return Path(self.checkpoint) if self.checkpoint is not None else self.folder / "checkpoint"

    @property
    def bundle_folder(self) -> Path:
        """The bundle artifact of this run."""
        return self.folder / "bundle"

    @property
    def evaluation_folder(self) -> Path:
        """Report of the evaluation of this run."""
        return self.folder / "evaluation"

    @property
    def partial_evaluation_folder(self) -> Path:
        """What an evaluation that has not ended has answered so far."""
        return self.folder / "evaluation.partial"

    @property
    def baselines_folder(self) -> Path:
        """What trained baselines did, for all runs that read the same dataset."""
        return self.dataset_folder.with_name("baselines")


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
        apply_override(document, override)
    return build_config(document, source=str(path))


def build_config(document: Mapping[str, Any], source: str = "config") -> RunConfig:
    """Check a nested mapping and fill a `RunConfig` from it.

    Raises:
        ConfigError: any key or value is wrong; all of them are listed with their paths.
    """
    return _with_absolute_paths(build_section(RunConfig, _with_imported_tables(document), source))


def config_to_dict(config: RunConfig) -> dict[str, Any]:
    """Return the whole configuration as plain JSON types."""
    return _plain(dataclasses.asdict(config))


def _with_imported_tables(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where the input is a folder, say where the tables of it will be."""
    tables = document.get("input")
    if not isinstance(tables, Mapping) or tables.get("folder") is None:
        return document
    imported = {name: {"path": f"{{storage}}/{document.get('name')}/tables/{name}.parquet"} for name in IMPORTED}
    named = {name: tables[name] for name in IMPORTED if isinstance(tables.get(name), Mapping)}
    completed = {name: {**imported[name], **table} for name, table in named.items()}
    return {**document, "input": {**imported, **tables, **completed}}


def _check_imported_settings(config: RunConfig) -> None:
    """Raise if a table of a folder has a setting without effect: only its columns can be named."""
    for name in IMPORTED if config.input.folder is not None else ():
        table = getattr(config.input, name)
        plain = TableConfig(path=table.path, columns=table.columns) if isinstance(table, TableConfig) else table
        for item in dataclasses.fields(TableConfig) if table != plain else ():
            if getattr(table, item.name) != getattr(plain, item.name):
                raise ConfigError(
                    f"input.{name}.{item.name} has no effect on input.folder, of which only input.{name}.columns can be "
                    f"set; got {getattr(table, item.name)!r}. Name the files in input.{name}.path in place of the folder"
                )


def _check_folder(config: RunConfig) -> None:
    """Raise if tables are named beside the folder that they are to be taken from."""
    if config.input.folder is None:
        return
    imported = {name: str(config.tables_folder / f"{name}.parquet") for name in IMPORTED}
    named = [name for name, path in imported.items() if getattr(getattr(config.input, name), "path", None) != path]
    if named or config.input.users is not None:
        raise ConfigError(
            f"input.folder holds all tables, so no other may be named; got {[*named, *(['users'] if config.input.users else [])]} "
            "beside it. Take them or input.folder out of input"
        )


def _with_absolute_paths(config: RunConfig) -> RunConfig:
    """Make every local path absolute, `~` expanded and `{storage}` replaced."""
    if "://" in config.storage:
        raise ConfigError(
            f"storage must be a local path or a volume mounted on every node, got {config.storage!r}; "
            "only input tables may lie in object storage"
        )
    paths = Paths(absolute(config.storage, "storage"))
    resolved = dataclasses.replace(
        config,
        storage=paths.storage,
        dataset=paths.of(config.dataset, "dataset"),
        checkpoint=paths.of(config.checkpoint, "checkpoint"),
        input=paths.of_tables(config.input),
        evaluate=dataclasses.replace(
            config.evaluate, candidates=paths.of(config.evaluate.candidates, "evaluate.candidates")
        ),
        tokenizer=dataclasses.replace(config.tokenizer, path=paths.of(config.tokenizer.path, "tokenizer.path")),
        model=dataclasses.replace(config.model, weights=paths.of(config.model.weights, "model.weights")),
    )
    _check_folder(resolved)
    _check_imported_settings(resolved)
    return resolved


def _plain(value: Any) -> Any:
    """Turn tuples into lists, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
