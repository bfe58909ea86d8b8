"""ZeRO with models of other families: an output matrix of its own, adapters, tables that are trained along."""

import dataclasses

import pytest
import torch

from recsys_model.backbones.base import Backbone
from recsys_model.config import LoraConfig, OptimizerConfig
from recsys_model.entities.catalog import load_catalog
from recsys_model.entities.token_trie import TokenTrie, build_token_trie
from recsys_model.infilling.batch import Batch, ExampleCollator
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import load_tokenizer
from recsys_model.training.lora import apply_lora
from recsys_model.training.loss import InfillingLoss
from recsys_platform.config.run import RunConfig, TrainConfig
from recsys_platform.train.batches import TrainingBatches
from recsys_platform.train.engine import Engine
from recsys_platform.train.reader import ExampleReader
from tests.recsys_model.backbones.tiny_backbones import tiny_backbone
from tests.recsys_platform.tiny_dataset import tiny_config, write_tiny_dataset

pytestmark = pytest.mark.usefixtures("process_group")

CPU = torch.device("cpu")
RATE = 0.01


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[RunConfig, TokenTrie, list[Batch], int]:
    """A configuration, the item trie, the batches of one step, and the size of the vocabulary."""
    config = tiny_config(tmp_path_factory.mktemp("families"), objective={"item_loss": "trie"})
    write_tiny_dataset(config)
    train = TrainConfig(batch_size=3, accumulation_steps=2, num_workers=1)
    config = dataclasses.replace(config, train=train, optimizer=OptimizerConfig(learning_rate=1.0, max_grad_norm=1e9))
    tokenizer, catalog = load_tokenizer(config.dataset_folder / "tokenizer"), load_catalog(config.dataset_folder)
    trie = build_token_trie([item.token_ids for item in catalog.items], tokenizer.special.end)
    builder = ExampleBuilder(config.objective, tokenizer.special, PositionAutomaton(catalog.pool()), trie)
    steps = TrainingBatches(
        ExampleReader(config.dataset_folder / "examples" / "train"),
        ExampleCollator(builder, tokenizer.special.pad),
        seed=0,
        micro_batch_size=3,
        accumulation_steps=2,
        worker_rank=0,
        num_workers=1,
    ).from_step(0)
    return config, trie, next(steps), tokenizer.vocab_size


def model_of(name: str, vocab_size: int, rank: int | None) -> torch.nn.Module:
    model: Backbone = tiny_backbone(name, vocab_size, num_positions=96)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return model if rank is None else apply_lora(model, LoraConfig(rank=rank))


@pytest.mark.parametrize(
    ("name", "zero_stage", "rank"),
    [
        ("chatglm", 0, None),
        ("chatglm", 3, None),
        ("qwen2 causal", 1, 2),
        ("qwen3 prefix", 3, None),
        ("qwen3 prefix", 3, 2),
    ],
)
def test_one_step_has_the_loss_and_gradient_norm_of_plain_pytorch(run, name, zero_stage, rank):
    config, trie, batches, vocab_size = run
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, zero_stage=zero_stage))
    plain = InfillingLoss(model_of(name, vocab_size, rank), trie)
    losses = [plain(batch).token for batch in batches]
    (sum(losses) / sum(batch.num_targets for batch in batches)).backward()
    gradients = [parameter.grad for parameter in plain.parameters() if parameter.grad is not None]
    expected_norm = float(torch.linalg.vector_norm(torch.cat([gradient.flatten() for gradient in gradients])))

    result = Engine(InfillingLoss(model_of(name, vocab_size, rank), trie), config, CPU).step(batches, RATE)

    assert result.token_loss_sum == pytest.approx(sum(losses).item(), rel=1e-4)
    assert result.grad_norm == pytest.approx(expected_norm, rel=1e-3)
