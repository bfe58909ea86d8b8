"""Compare ranking the users of an evaluation with a training epoch over as many examples, without Ray and DeepSpeed."""

import time
from pathlib import Path

import numpy as np
import torch

from recsys_model.config import DecodingConfig, ObjectiveConfig
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.batch import Batch, ExampleCollator
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.training.loss import InfillingLoss
from recsys_platform.artifacts import read_manifest
from recsys_platform.config.stages import TrainConfig
from recsys_platform.evaluate.workers.pool import build_batches
from recsys_platform.train.reader import ExampleReader, to_examples
from tests.benchmarks.generation_data import NUM_BEAMS, K, Setting
from tests.benchmarks.pairs import Row

RANKED_TOGETHER, TRAINED_TOGETHER = 32, 64


def ranking_row(setting: Setting, dataset: Path, checkpoint: Path | None, pairs: int) -> Row:
    """Time the same number of users through both, pair by pair; an epoch has one example a user here."""
    size = len(setting.prompts)
    generator = setting.generator(DecodingConfig(num_beams=NUM_BEAMS))
    reader = ExampleReader(dataset / "examples" / "train")
    collator = _collator(setting, checkpoint)
    loss = InfillingLoss(setting.model, build_token_trie(setting.sequences, setting.special.end))
    before = {name: tensor.clone() for name, tensor in setting.model.state_dict().items()}
    # the rate is 0: the weights that rank stay what they are, and the work is the same
    optimizer = torch.optim.AdamW(setting.model.parameters(), lr=0.0, weight_decay=0.0)
    ours, others = [], []
    for number in range(pairs + 1):
        start = time.perf_counter()
        for batch in build_batches(
            setting.cases, [len(prompt.token_ids) for prompt in setting.prompts], RANKED_TOGETHER
        ):
            generator.recommend([setting.prompts[place] for place, _ in batch], K)
        middle = time.perf_counter()
        setting.model.train()
        for batch in _epoch_sample(reader, collator, size, number):
            optimizer.zero_grad(set_to_none=True)
            (loss(batch).token / batch.num_targets).backward()
            torch.nn.utils.clip_grad_norm_(setting.model.parameters(), 1.0)
            optimizer.step()
        setting.model.eval()
        if number:
            ours.append((middle - start) / size * reader.num_rows)
            others.append((time.perf_counter() - middle) / size * reader.num_rows)
    setting.model.load_state_dict(before)
    return Row(
        work=f"ranking {reader.num_rows:,} users, top {K}, batch {RANKED_TOGETHER}",
        alternative=f"one training epoch over {reader.num_rows:,} examples, batch {TRAINED_TOGETHER}",
        ours=ours,
        others=others,
        note=f"both extrapolated from {size} users; {100 * sum(ours) / sum(others):.0f} % of an epoch; plain AdamW in "
        "one process in place of DeepSpeed",
    )


def _collator(setting: Setting, checkpoint: Path | None) -> ExampleCollator:
    """Draw examples as the checkpoint's own training did."""
    settings = {} if checkpoint is None else read_manifest(checkpoint, "checkpoint").config["objective"]
    objective = ObjectiveConfig(**settings)
    automaton = PositionAutomaton(setting.catalog.pool(), objective.intra_mode)
    trie = build_token_trie(setting.sequences, setting.special.end)
    builder = ExampleBuilder(objective, setting.special, automaton, trie)
    return ExampleCollator(builder, setting.special.pad, TrainConfig().row_tokens)


def _epoch_sample(reader: ExampleReader, collator: ExampleCollator, size: int, seed: int) -> list[Batch]:
    """Return batches of random rows, sorted by length, drawn and packed as in training."""
    rows = np.sort(np.random.default_rng(seed).choice(reader.num_rows, size=min(size, reader.num_rows), replace=False))
    examples = sorted(to_examples(reader.read(rows)), key=lambda example: len(example.text.token_ids))
    batches = []
    for start in range(0, len(examples), TRAINED_TOGETHER):
        part = examples[start : start + TRAINED_TOGETHER]
        keys = [(seed, example.user_id, example.target_index) for example in part]
        batches.append(collator([example.text for example in part], keys))
    return batches
