"""The engine against plain PyTorch: one worker, all ZeRO stages that differ in code path."""

import copy
import dataclasses

import pytest
import torch

from recsys_model.backbones.glm import GLM
from recsys_model.config import LoraConfig, OptimizerConfig
from recsys_model.entities.catalog import load_catalog
from recsys_model.entities.token_trie import TokenTrie, build_token_trie
from recsys_model.infilling.batch import Batch, ExampleCollator
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import load_tokenizer
from recsys_model.training.lora import apply_lora
from recsys_model.training.loss import InfillingLoss
from recsys_model.training.optimizer import parameter_groups
from recsys_platform.config.run import RunConfig, TrainConfig
from recsys_platform.train.batches import TrainingBatches
from recsys_platform.train.engine import Engine
from recsys_platform.train.reader import ExampleReader
from tests.recsys_platform.tiny_dataset import tiny_config, write_tiny_dataset

pytestmark = pytest.mark.usefixtures("process_group")

CPU = torch.device("cpu")
RATES = (0.01, 0.02, 0.005)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[RunConfig, TokenTrie, list[list[Batch]]]:
    """A configuration, the item trie and the micro batches of three steps; both halves of a step differ in targets."""
    config = tiny_config(tmp_path_factory.mktemp("engine"))
    write_tiny_dataset(config)
    special = load_tokenizer(config.dataset_folder / "tokenizer").special
    catalog = load_catalog(config.dataset_folder)
    trie = build_token_trie([item.token_ids for item in catalog.items], special.end)
    automaton = PositionAutomaton(catalog.pool(), "paper")
    steps = TrainingBatches(
        ExampleReader(config.dataset_folder / "examples" / "train"),
        ExampleCollator(ExampleBuilder(config.objective, special, automaton, trie), special.pad),
        seed=0,
        micro_batch_size=3,
        accumulation_steps=2,
        worker_rank=0,
        num_workers=1,
    ).from_step(0)
    batches = [next(steps) for _ in RATES]
    assert any(first.num_targets != second.num_targets for first, second in batches)
    return config, trie, batches


def settings(config: RunConfig, zero_stage: int, max_grad_norm: float = 0.3) -> RunConfig:
    train = TrainConfig(zero_stage=zero_stage, batch_size=3, accumulation_steps=2, num_workers=1)
    optimizer = OptimizerConfig(learning_rate=1.0, weight_decay=0.1, max_grad_norm=max_grad_norm)
    return dataclasses.replace(config, train=train, optimizer=optimizer)


def new_model(config: RunConfig) -> GLM:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return GLM(config.model.geometry(load_tokenizer(config.dataset_folder / "tokenizer").vocab_size))


def plain_steps(model: torch.nn.Module, trie: TokenTrie, config: RunConfig, steps: list[list[Batch]]) -> list[float]:
    """Train by the textbook: one mean over all targets of a step, clip, AdamW. Return the norms before clipping."""
    loss = InfillingLoss(model, trie)
    optimizer = torch.optim.AdamW(parameter_groups(loss, config.optimizer), betas=config.optimizer.betas)
    norms = []
    for batches, rate in zip(steps, RATES, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        mean = sum(loss(batch).token for batch in batches) / sum(batch.num_targets for batch in batches)
        mean.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.max_grad_norm)))
        optimizer.step()
    return norms


def without_key_bias(name: str, weights: torch.Tensor) -> torch.Tensor:
    """Leave out what has no gradient but rounding errors, of which AdamW makes whole steps: softmax ignores it."""
    if not name.endswith("query_key_value.bias"):
        return weights
    query, _, value = weights.chunk(3)
    return torch.cat([query, value])


@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3])
@pytest.mark.parametrize("max_grad_norm", [0.3, 100.0])
def test_a_step_equals_plain_adamw_on_the_mean_over_all_targets(run, zero_stage, max_grad_norm):
    config, trie, steps = run
    config = settings(config, zero_stage, max_grad_norm)
    model = new_model(config)
    reference = copy.deepcopy(model)
    expected_norms = plain_steps(reference, trie, config, steps)

    engine = Engine(InfillingLoss(model, trie), config, CPU)
    results = [engine.step(batches, rate) for batches, rate in zip(steps, RATES, strict=True)]

    assert [result.grad_norm for result in results] == pytest.approx(expected_norms, rel=1e-4)
    assert [result.num_targets for result in results] == [sum(b.num_targets for b in batches) for batches in steps]
    with engine.whole_weights():
        for (name, ours), theirs in zip(model.named_parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(
                without_key_bias(name, ours), without_key_bias(name, theirs), rtol=1e-4, atol=5e-5, msg=name
            )


def test_the_validation_loss_is_the_mean_over_targets_of_batches_that_count(run):
    config, trie, steps = run
    config = settings(config, 1)
    model = new_model(config)
    [first, second], [third, _], _ = steps
    loss = InfillingLoss(copy.deepcopy(model).eval(), trie)
    with torch.no_grad():
        expected = float(loss(first).token + loss(second).token) / (first.num_targets + second.num_targets)

    engine = Engine(InfillingLoss(model, trie), config, CPU)

    assert engine.mean_loss([(first, True), (second, True), (third, False)]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("zero_stage", [0, 1, 2])
@pytest.mark.parametrize("rank", [None, 2])
def test_a_loaded_state_goes_on_exactly_where_it_was_saved(run, tmp_path, zero_stage, rank):
    config, trie, steps = run
    config = settings(config, zero_stage)

    def engine_of_new_model() -> Engine:
        model = new_model(config)
        with torch.random.fork_rng():
            torch.manual_seed(4)
            adapted = model if rank is None else apply_lora(model, LoraConfig(rank=rank))
        return Engine(InfillingLoss(adapted, trie), config, CPU)

    first = engine_of_new_model()
    first.step(steps[0], RATES[0])
    first.save(tmp_path)
    second = engine_of_new_model()
    second.load(tmp_path)

    for engine in (first, second):
        engine.step(steps[1], RATES[1])
        engine.step(steps[2], RATES[2])
    weights = [{name: value.tolist() for name, value in e.model.state_dict().items()} for e in (first, second)]
    assert weights[0] == weights[1]


def test_with_adapters_only_they_and_no_base_weight_are_saved(run, tmp_path):
    config, trie, steps = run
    config = settings(config, 1)
    engine = Engine(InfillingLoss(apply_lora(new_model(config), LoraConfig(rank=2)), trie), config, CPU)
    engine.step(steps[0], RATES[0])
    engine.save(tmp_path)

    [path] = tmp_path.rglob("*model_states.pt")
    names = torch.load(path, weights_only=False)["module"].keys()
    assert names
    assert all("lora_" in name for name in names)
