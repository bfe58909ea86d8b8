"""Training with an entity head: the engine against plain PyTorch, whole runs on a Ray cluster, what they leave behind."""

import copy
import dataclasses
import json
from pathlib import Path

import pytest
import torch

from recsys_model.backbones.checkpoint import load_model, write_model
from recsys_model.backbones.glm import GLM
from recsys_model.config import DecodingConfig, LoraConfig, ObjectiveConfig, OptimizerConfig
from recsys_model.entities.catalog import Catalog, load_catalog
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.entity_config import EntityConfig
from recsys_model.entity_head.head import EntityHead
from recsys_model.entity_head.scorer import load_scorer
from recsys_model.entity_head.vectors import tokens_of
from recsys_model.errors import ConfigError
from recsys_model.infilling.batch import Batch, pad_examples
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import load_tokenizer
from recsys_model.training.lora import apply_lora
from recsys_model.training.loss import InfillingLoss
from recsys_model.training.optimizer import parameter_groups
from recsys_platform.checkpoints import ENTITIES_FOLDER, load_trained_model
from recsys_platform.config.run import RunConfig
from recsys_platform.config.stages import TrainConfig
from recsys_platform.file_names import METRICS_FILE
from recsys_platform.json_lines import read_json_lines
from recsys_platform.train.engine import Engine
from recsys_platform.train.reader import ExampleReader, item_shares, to_examples
from recsys_platform.train.stage import run_train
from tests.recsys_platform.tiny_dataset import tiny_config, write_tiny_dataset

CPU = torch.device("cpu")
OBJECTIVE = {
    "next_item_target": "all",
    "item_loss": "trie",
    "entity_weight": 0.0,
    "sentence_weight": 0.0,
    "document_weight": 0.0,
    "token_loss_weight": 0.5,
    "entity_loss_weight": 2.0,
}
RATES = (0.01, 0.02)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[RunConfig, Catalog, list[list[Batch]]]:
    """A run, its catalogue, and the micro batches of two steps."""
    config = tiny_config(tmp_path_factory.mktemp("entity"), objective=OBJECTIVE, entity={"enabled": True})
    catalog = write_tiny_dataset(config)
    tokenizer = load_tokenizer(config.dataset_folder / "tokenizer")
    trie = build_token_trie([item.token_ids for item in catalog.items], tokenizer.special.end)
    automaton = PositionAutomaton(catalog.pool(), "paper")
    builder = ExampleBuilder(config.objective, tokenizer.special, automaton, trie)
    reader = ExampleReader(config.dataset_folder / "examples" / "train")
    table = reader.read(torch.arange(12).numpy())
    examples = [builder.ask_for_all(example.text) for example in to_examples(table)]
    batches = [pad_examples(examples[start : start + 3], tokenizer.special.pad) for start in range(0, 12, 3)]
    return config, catalog, [batches[:2], batches[2:]]


def new_loss(run, *, rank: int | None = None) -> InfillingLoss:
    config, catalog, _ = run
    tokenizer = load_tokenizer(config.dataset_folder / "tokenizer")
    trie = build_token_trie([item.token_ids for item in catalog.items], tokenizer.special.end)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = GLM(config.model.geometry(tokenizer.vocab_size))
        head = EntityHead(16, [tokens_of(item) for item in catalog.items], EntityConfig(enabled=True), is_new=True)
        head.measure_words(model)
        adapted = model if rank is None else apply_lora(model, LoraConfig(rank=rank))
    return InfillingLoss(adapted, trie, config.objective, head)


def settings(config: RunConfig, zero_stage: int) -> RunConfig:
    train = TrainConfig(zero_stage=zero_stage, batch_size=3, accumulation_steps=2, num_workers=1)
    optimizer = OptimizerConfig(learning_rate=1.0, weight_decay=0.1, max_grad_norm=0.3)
    return dataclasses.replace(config, train=train, optimizer=optimizer)


def plain_steps(loss: InfillingLoss, config: RunConfig, steps: list[list[Batch]]) -> None:
    """Train by the textbook on the weighted sum of the two means over all targets of a step."""
    trainable = [parameter for parameter in loss.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameter_groups(loss, config.optimizer), betas=config.optimizer.betas)
    for batches, rate in zip(steps, RATES, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        losses = [loss(batch) for batch in batches]
        token = sum(each.token for each in losses) / sum(batch.num_targets for batch in batches)
        entity = sum(each.entity for each in losses) / sum(batch.num_item_targets for batch in batches)
        (0.5 * token + 2.0 * entity).backward()
        torch.nn.utils.clip_grad_norm_(trainable, config.optimizer.max_grad_norm)
        optimizer.step()


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3])
@pytest.mark.parametrize("rank", [None, 2])
def test_a_step_equals_plain_adamw_on_both_means(run, zero_stage, rank):
    config, _, steps = run
    config = settings(config, zero_stage)
    loss = new_loss(run, rank=rank)
    reference = copy.deepcopy(loss)
    plain_steps(reference, config, steps)

    engine = Engine(loss, config, CPU)
    results = [engine.step(batches, rate) for batches, rate in zip(steps, RATES, strict=True)]

    assert [result.num_item_targets for result in results] == [sum(b.num_item_targets for b in bs) for bs in steps]
    with engine.whole_weights():
        for (name, ours), theirs in zip(loss.named_parameters(), reference.parameters(), strict=True):
            if "query_key_value" in name and name.endswith("bias"):
                continue  # the keys' third of it has no gradient but rounding errors
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4, msg=name)


def test_no_table_of_the_head_decays(run):
    config, _, _ = run
    loss = new_loss(run)
    groups = parameter_groups(loss, config.optimizer)
    decayed = {id(parameter) for group in groups if group["weight_decay"] for parameter in group["params"]}
    assert not decayed & {id(parameter) for parameter in loss.head.parameters()}
    assert decayed


def test_the_shares_of_items_are_those_of_the_training_texts(run):
    config, catalog, _ = run
    reader = ExampleReader(config.dataset_folder / "examples" / "train")
    texts = [example.text for example in to_examples(reader.read(torch.arange(reader.num_rows).numpy()))]
    told = [item for text in texts for item in text.entity_items if item >= 0]
    shares = item_shares(config.dataset_folder / "examples" / "train", len(catalog.items))
    assert shares.tolist() == pytest.approx([told.count(item) / len(told) for item in range(len(catalog.items))])


@pytest.fixture(scope="module", params=["tokens", "vectors"])
def trained(request, ray_cluster, tmp_path_factory) -> tuple[RunConfig, dict]:
    """A finished run that keeps the best validation."""
    train = {"num_workers": 2, "batch_size": 4, "epochs": 8, "validate_every_steps": 3, "log_every_steps": 3}
    config = tiny_config(
        tmp_path_factory.mktemp("trained"),
        objective=OBJECTIVE | {"history": request.param},
        entity={"enabled": True, "negatives": 4},
        train=train | {"zero_stage": 1, "max_failures": 0, "keep": "best", "patience": 4},
        optimizer={"learning_rate": 0.02},
        decoding={"num_beams": 10, "scoring": "blend", "exact": True},
    )
    write_tiny_dataset(config)
    return config, run_train(config)


def test_the_checkpoint_holds_the_head_and_its_blend(trained):
    config, result = trained
    names = {path.name for path in (config.checkpoint_folder / ENTITIES_FOLDER).iterdir()}
    assert names == {"head.json", "head.safetensors", "items.json", "blend.json", "co_occurrence.safetensors"}
    blend = json.loads((config.checkpoint_folder / ENTITIES_FOLDER / "blend.json").read_text())
    assert blend["entity"] == 1.0
    assert set(blend) == {"token", "entity", "co_occurrence", "history_decay"}
    assert result["num_parameters"] == result["num_trainable_parameters"]


def test_the_weights_are_those_of_the_best_validation(trained):
    config, result = trained
    lines = read_json_lines(config.checkpoint_folder / METRICS_FILE)
    values = {line["step"]: line["eval/ndcg_at_10"] for line in lines if "eval/ndcg_at_10" in line}
    assert result["weights_of"] == f"the best validation, step {max(values, key=values.get)}"
    model = load_trained_model(config.checkpoint_folder).eval()
    catalog = load_catalog(config.dataset_folder)
    scorer = load_scorer(config.checkpoint_folder / ENTITIES_FOLDER, model, catalog.items)
    assert ndcg_of_validation(config, model, scorer, catalog) == pytest.approx(max(values.values()), abs=1e-6)


def ndcg_of_validation(config, model, scorer, catalog) -> float:
    """Rank every validation target by one search over all items, which is how the model is used."""
    from recsys_model.decoding.generator import TrieGuidedGenerator
    from recsys_model.infilling.prompt import build_prompt

    special = load_tokenizer(config.dataset_folder / "tokenizer").special
    generator = TrieGuidedGenerator(model, catalog, special, DecodingConfig(scoring="entity"), scorer)
    reader = ExampleReader(config.dataset_folder / "examples" / "valid")
    gains = []
    for example in to_examples(reader.read(torch.arange(reader.num_rows).numpy())):
        history = example.text.before(len(example.text.entity_starts) - 1)
        prompt = build_prompt(history, special, layout=config.objective.history_layout)
        found = [each.item for each in generator.recommend([prompt], 10)[0]]
        target = example.text.entity_items[-1]
        gains.append(1 / torch.tensor(found.index(target) + 2.0).log2().item() if target in found else 0.0)
    return sum(gains) / len(gains)


def test_the_run_ends_when_patience_does(trained):
    config, result = trained
    lines = read_json_lines(config.checkpoint_folder / METRICS_FILE)
    values = [line["eval/ndcg_at_10"] for line in lines if "eval/ndcg_at_10" in line]
    since_best = len(values) - 1 - values.index(max(values))
    assert since_best <= 4
    assert since_best == 4 or result["epochs"] == 8.0


def test_adapters_and_head_train_on_a_frozen_base_that_is_not_rewritten(ray_cluster, tmp_path):
    base = tmp_path / "base"
    config = tiny_config(
        tmp_path,
        objective=OBJECTIVE,
        entity={"enabled": True},
        lora={"enabled": True, "rank": 2},
        model={"weights": str(base)},
        train={"num_workers": 1, "batch_size": 4, "epochs": 1, "zero_stage": 2, "max_failures": 0},
        optimizer={"learning_rate": 0.02},
    )
    write_tiny_dataset(config)
    vocab_size = load_tokenizer(config.dataset_folder / "tokenizer").vocab_size
    geometry = tiny_config(tmp_path).model.geometry(vocab_size)
    write_model(base, GLM(geometry))
    before = {path.name: path.read_bytes() for path in base.iterdir()}

    run_train(config)

    assert {path.name: path.read_bytes() for path in base.iterdir()} == before
    assert (config.checkpoint_folder / "adapter").is_dir()
    model = load_trained_model(config.checkpoint_folder)
    scorer = load_scorer(config.checkpoint_folder / ENTITIES_FOLDER, model, load_catalog(config.dataset_folder).items)
    assert scorer is not None
    assert float(scorer.head.residuals.abs().max()) > 0.0
    assert float(scorer.head.input_projection.abs().max()) > 0.0
    assert torch.equal(model.word_embeddings.weight, load_model(base).word_embeddings.weight)


def test_keeping_the_best_needs_a_head(ray_cluster, tmp_path):
    config = tiny_config(tmp_path, train={"num_workers": 1, "keep": "best", "max_failures": 0})
    write_tiny_dataset(config)
    with pytest.raises(ConfigError, match=r"train\.keep best ranks with the entity head"):
        run_train(config)
    objective = dataclasses.replace(ObjectiveConfig(), token_loss_weight=0.0)
    with pytest.raises(ConfigError, match="no entity head to train"):
        run_train(dataclasses.replace(config, train=TrainConfig(num_workers=1), objective=objective))
    assert not Path(config.checkpoint_folder).exists()
