"""The serving bundle: one folder with weights, tokenizer, catalogue and settings; safetensors and JSON, no pickle.

The weights are whole, or those of a base model with a LoRA adapter next to them, which is merged in float32 whenever the
bundle is loaded: a base of 16 bits then keeps its size, and an update that is smaller than the rounding of 16 bits is kept.
The settings are those of the training examples, so that requests become texts like those of the training.
"""

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch

from recsys_model.backbones.base import Backbone
from recsys_model.backbones.checkpoint import load_adapter, load_model, write_model
from recsys_model.config import DecodingConfig, HistoryLayout, TextConfig, WindowConfig, settings_from_dict
from recsys_model.config.folders import ADAPTER_FOLDER, ENTITIES_FOLDER, TOKENIZER_FOLDER, WEIGHTS_FOLDER
from recsys_model.entities.catalog import Catalog, load_catalog
from recsys_model.entities.item_columns import ItemColumns
from recsys_model.entity_head.scorer import EntityScorer, load_scorer, write_scorer
from recsys_model.entity_head.storage import write_item_ids
from recsys_model.errors import CheckpointError, ConfigError, DataError
from recsys_model.infilling.positions import IntraMode
from recsys_model.text.tokenizer import Tokenizer, load_tokenizer

SETTINGS_FILE = "bundle.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class BundleSettings:
    """How a request becomes a prompt, and how its items are searched."""

    window: WindowConfig
    """Time-window sampling of the history."""
    text: TextConfig
    """How features and behaviours become text."""
    decoding: DecodingConfig
    """Trie-guided beam search."""
    intra_mode: IntraMode
    """How the model's intra position ids were counted in training."""
    history_layout: HistoryLayout = "text"
    """Layout of the history in a request, as in the training examples."""
    trie_temperature: float = 1.0
    """`objective.trie_temperature` of the training."""
    user_features: tuple[str, ...]
    """Names of the user features in the training texts."""
    seed: int
    """Seed of the window sampling."""
    time_format: str | None = None
    """`strptime` format of the times in the table of interactions, in which requests may write theirs; None: none was
    named."""

    def __post_init__(self) -> None:
        if self.intra_mode not in get_args(IntraMode):
            raise ConfigError(f"intra_mode must be one of {get_args(IntraMode)}, got {self.intra_mode!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A loaded bundle; the model is in evaluation mode on its device."""

    model: Backbone
    tokenizer: Tokenizer
    catalog: Catalog
    settings: BundleSettings
    scorer: EntityScorer | None = None
    columns: ItemColumns | None = None
    """Columns of the items table that rules may name, if there are any; whoever serves the bundle reads them."""


def write_bundle(
    folder: Path,
    model: Backbone,
    tokenizer: Tokenizer,
    catalog: Catalog,
    settings: BundleSettings,
    dtype: torch.dtype | None = None,
    scorer: EntityScorer | None = None,
    adapter: Path | None = None,
) -> None:
    """Write everything that serving needs into `folder`, which is created.

    Args:
        folder: The new folder.
        model: The model, or with an `adapter` the base that it belongs to.
        tokenizer: The model's tokenizer.
        catalog: The items.
        settings: How requests become prompts, and how items are searched.
        dtype: Type to write the weights in; None keeps theirs.
        scorer: The entity head, whose tables stay as they are: its scores are computed in float32.
        adapter: PEFT folder to copy.

    Raises:
        CheckpointError: model, tokenizer and settings do not fit each other.
    """
    _check_fit(model, tokenizer, settings, str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    write_model(folder / WEIGHTS_FOLDER, model, dtype)
    if adapter is not None:
        shutil.copytree(adapter, folder / ADAPTER_FOLDER)
    tokenizer.write(folder / TOKENIZER_FOLDER)
    catalog.write(folder)
    if scorer is not None:
        write_scorer(folder / ENTITIES_FOLDER, scorer)
        write_item_ids(folder / ENTITIES_FOLDER, [item.item_id for item in catalog.items[: scorer.head.num_items]])
    text = json.dumps(dataclasses.asdict(settings), indent=1, allow_nan=False)
    (folder / SETTINGS_FILE).write_text(text + "\n", encoding="utf-8")


def load_bundle(folder: Path, *, device: str = "cpu", dtype: torch.dtype | None = None) -> Bundle:
    """Read a bundle and put its model on `device`; without a `dtype`, bf16 on a GPU and fp32 elsewhere.

    Raises:
        CheckpointError: a file is missing or damaged, a setting is unknown, or the parts do not fit.
    """
    settings = load_settings(folder)
    if dtype is None:
        dtype = torch.bfloat16 if torch.device(device).type == "cuda" else torch.float32
    model = _load_weights(folder, dtype)
    tokenizer = load_tokenizer(folder / TOKENIZER_FOLDER)
    try:
        catalog = load_catalog(folder)
    except DataError as error:
        raise CheckpointError(f"{folder} holds no bundle: {error}") from error
    _check_fit(model, tokenizer, settings, str(folder))
    model = model.to(device).eval()
    scorer = load_scorer(folder / ENTITIES_FOLDER, model, catalog.items)
    return Bundle(model=model, tokenizer=tokenizer, catalog=catalog, settings=settings, scorer=scorer)


def _load_weights(folder: Path, dtype: torch.dtype) -> Backbone:
    if not (folder / ADAPTER_FOLDER).is_dir():
        return load_model(folder / WEIGHTS_FOLDER, dtype=dtype)
    return load_adapter(load_model(folder / WEIGHTS_FOLDER), folder / ADAPTER_FOLDER).to(dtype)


def load_settings(folder: Path) -> BundleSettings:
    """Read a bundle's settings alone.

    Raises:
        CheckpointError: the file is missing or damaged, or a setting is unknown, missing or out of range.
    """
    path = folder / SETTINGS_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} holds no bundle: {SETTINGS_FILE} cannot be read: {error}") from error
    try:
        return settings_from_dict(BundleSettings, document)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not valid: {error}; if another version wrote the bundle, build it again from its checkpoint"
        ) from error


def _check_fit(model: Backbone, tokenizer: Tokenizer, settings: BundleSettings, source: str) -> None:
    geometry = model.config
    if tokenizer.vocab_size > geometry.vocab_size:
        raise CheckpointError(
            f"{source}: the model must have a row for each of the tokenizer's {tokenizer.vocab_size} tokens, "
            f"got {geometry.vocab_size}; it was trained with another tokenizer"
        )
    if settings.text.max_tokens > geometry.max_sequence_length:
        raise CheckpointError(
            f"{source}: text.max_tokens must be at most the model's max_sequence_length "
            f"{geometry.max_sequence_length}, got {settings.text.max_tokens}"
        )
