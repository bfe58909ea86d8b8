"""A published causal model goes through the stages: its folder gives weights and tokenizer, an adapter comes out."""

import csv
import json
from pathlib import Path

import pytest
import tokenizers
import torch
import transformers

from recsys_model.bundle import load_bundle
from recsys_model.text.tokenizer import load_tokenizer, train_tokenizer
from recsys_platform.artifacts import open_artifact
from recsys_platform.checkpoints import ADAPTER_FOLDER, BASE_FILE, load_trained_model
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.data.stage import run_data
from recsys_platform.evaluate.stage import run_evaluate
from recsys_platform.file_names import METRICS_FILE
from recsys_platform.json_lines import read_json_lines
from recsys_platform.serve.bundling import run_bundle
from recsys_platform.train.stage import run_train
from tests.recsys_platform.tiny_dataset import SEQUENCES, TITLES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>"]


def write_published_llama(folder: Path) -> None:
    """Write a random llama of one layer as transformers does, and a byte-level tokenizer with control tokens."""
    backend = tokenizers.Tokenizer.from_str(train_tokenizer(TITLES, 320)._backend.to_str())
    backend.add_special_tokens([tokenizers.AddedToken(name, special=True) for name in CONTROL])
    num_tokens = backend.get_vocab_size()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.LlamaConfig(
            vocab_size=num_tokens,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=128,
            tie_word_embeddings=True,
        )
        model = transformers.LlamaForCausalLM(config)
        torch.nn.init.normal_(model.model.embed_tokens.weight, std=1.0)
    model.save_pretrained(folder)
    backend.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(names), encoding="utf-8")


def write_tables(folder: Path) -> dict:
    """Write the tables of the tiny shop and return the input section that names them."""
    events = [
        (user, f"item-{item:02d}", 86400 * place)
        for user, items in SEQUENCES.items()
        for place, item in enumerate(items)
    ]
    titles = [(f"item-{index:02d}", title) for index, title in enumerate(TITLES)]
    tables = {
        "interactions": (("user_id", "item_id", "timestamp"), events),
        "items": (("item_id", "title"), titles),
    }
    for name, (header, rows) in tables.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
    return {name: {"path": str(folder / f"{name}.csv")} for name in tables}


@pytest.fixture(scope="module")
def finished(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, dict]:
    """A run on the published model whose data, train and evaluate stages are done, and the evaluation's result."""
    folder = tmp_path_factory.mktemp("causal")
    write_published_llama(folder / "published")
    model = str(folder / "published")
    document = {
        "name": "causal",
        "storage": str(folder),
        "input": write_tables(folder),
        "data": {"num_blocks": 1, "max_leak_share": 1.0},
        "tokenizer": {"path": model},
        "text": {"max_tokens": 96},
        "model": {"family": "causal", "weights": model, "mask": "causal"},
        "lora": {"enabled": True, "rank": 4},
        "optimizer": {"learning_rate": 0.02},
        "train": {"epochs": 4, "batch_size": 4, "log_every_steps": 1, "max_failures": 0},
        "decoding": {"num_beams": 12},
    }
    config = build_config(document)
    run_data(config)
    run_train(config)
    return config, run_evaluate(config).to_json()


def test_texts_are_in_the_models_own_tokens_between_its_own_control_tokens(finished: tuple[RunConfig, dict]) -> None:
    special = load_tokenizer(finished[0].dataset_folder / "tokenizer").special
    # the byte-level vocabulary comes first; <|im_start|> begins a text and <|im_end|> ends it
    first = load_tokenizer(finished[0].dataset_folder / "tokenizer").vocab_size - len(CONTROL)
    assert (special.cls, special.eos) == (first + 1, first + 2)
    assert (special.start, special.end, special.gmask) == (first + 3, first + 4, first + 5)


def test_training_lowers_the_loss_and_leaves_an_adapter_on_the_named_model(finished: tuple[RunConfig, dict]) -> None:
    config, _ = finished
    losses = [
        line["train/loss"] for line in read_json_lines(config.checkpoint_folder / METRICS_FILE) if "train/loss" in line
    ]
    assert sum(losses[-3:]) < sum(losses[:3]) - 1.0
    open_artifact(config.checkpoint_folder, "checkpoint")
    assert (config.checkpoint_folder / ADAPTER_FOLDER / "adapter_config.json").is_file()
    base = json.loads((config.checkpoint_folder / BASE_FILE).read_text(encoding="utf-8"))
    assert (base["path"], base["mask"]) == (config.model.weights, "causal")
    table = load_trained_model(config.checkpoint_folder).get_parameter("intra_position_embeddings.weight")
    assert table.abs().max() > 0.0


def test_every_user_is_ranked_and_the_bundle_holds_the_merged_model(finished: tuple[RunConfig, dict]) -> None:
    config, result = finished
    assert result["num_users"] == len(SEQUENCES)
    # twelve beams for twelve items: the ten best come back, so chance alone is 10 / 12
    assert result["metrics"]["recsysllm"]["hr_at_10"]["value"] > 0.5
    run_bundle(config)
    served = load_bundle(config.bundle_folder).model.state_dict()
    trained = load_trained_model(config.checkpoint_folder).state_dict()
    assert served.keys() == trained.keys()
    assert all(torch.equal(served[name], trained[name]) for name in trained)
