"""Compare packed rows with padding in one training step on real lengths: forward, backward and optimiser.

    python -m tests.benchmarks.training_step DATASET [--pairs 5] [--quick] [--threads 1] [--json FILE]

DATASET is a dataset artifact (for Amazon Beauty: `recsys data tests/benchmarks/beauty_tokens.yaml`). The model is a new
glm-mini. Both sides of a row train on the same examples, so the ratio of the seconds is that of the useful tokens per
second. Batches are drawn at random, as in a plain training, or have similar lengths, as `train/sampler.py` builds them.
Each measured row is printed; with `--json` the same command continues after the last row of the file.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from recsys_model.backbones.glm import GLM
from recsys_model.config import PRESETS, OptimizerConfig
from recsys_model.entities.catalog import load_catalog
from recsys_model.entities.token_trie import TokenTrie, build_token_trie
from recsys_model.infilling.batch import Batch, generator_for, pack_examples, pad_examples
from recsys_model.infilling.example import IGNORED_LABEL, WHOLE_VOCABULARY, Example, ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import load_tokenizer
from recsys_model.training.loss import InfillingLoss
from recsys_model.training.optimizer import parameter_groups
from recsys_platform.config.run import load_config
from recsys_platform.config.stages import TrainConfig
from recsys_platform.train.batches import TrainingBatches
from recsys_platform.train.reader import ExampleReader, to_examples
from tests.benchmarks.pairs import Row, time_pairs
from tests.benchmarks.report import Report

CONFIG = Path(__file__).parent / "beauty_tokens.yaml"
FIXED_TOKENS = 1024
MICROSECONDS = 1e6


class DrawnExamples:
    """Stands in for a collator: draws the same examples and leaves them as they are."""

    def __init__(self, builder: ExampleBuilder) -> None:
        self._builder = builder

    def __call__(self, texts: Sequence, keys: Sequence[tuple[int | str, ...]]) -> list[Example]:
        return [self._builder.draw(text, generator_for(key)) for text, key in zip(texts, keys, strict=True)]


@dataclass(frozen=True)
class Data:
    """What batches are made of."""

    reader: ExampleReader
    builder: ExampleBuilder
    trie: TokenTrie
    pad_token: int
    vocab_size: int

    def steps(self, batch_size: int) -> Iterator[list[Example]]:
        """Yield the examples of each step as one worker of the platform gets them."""
        batches = TrainingBatches(
            self.reader,
            DrawnExamples(self.builder),  # type: ignore[arg-type]
            seed=0,
            micro_batch_size=batch_size,
            accumulation_steps=1,
            worker_rank=0,
            num_workers=1,
        )
        return (examples for [examples] in batches.from_step(0))

    def random_batches(self, batch_size: int, count: int) -> list[list[Example]]:
        """Draw the examples of batches from the whole split, whatever their lengths."""
        rows = np.random.default_rng(0).choice(self.reader.num_rows, batch_size * count, replace=False)
        texts = [example.text for example in to_examples(self.reader.read(rows))]
        drawn = DrawnExamples(self.builder)(texts, [("random", index) for index in range(len(texts))])
        return [drawn[start : start + batch_size] for start in range(0, len(drawn), batch_size)]

    def pack(self, examples: list[Example]) -> Batch:
        """Lay them out as the platform does by default."""
        return pack_examples(examples, self.pad_token, TrainConfig().row_tokens)

    def pad(self, examples: list[Example]) -> Batch:
        """Pad to the longest."""
        return pad_examples(examples, self.pad_token)

    def pad_to_fixed(self, examples: list[Example]) -> Batch:
        """Pad to 1,024 tokens, or to the longest where that is longer."""
        batch = self.pad(examples)
        fills = {
            "token_ids": self.pad_token,
            "inter_position_ids": 0,
            "intra_position_ids": 0,
            "labels": IGNORED_LABEL,
            "trie_nodes": WHOLE_VOCABULARY,
        }
        missing = max(FIXED_TOKENS - batch.token_ids.shape[1], 0)
        wide = {name: functional.pad(getattr(batch, name), (0, missing), value=fill) for name, fill in fills.items()}
        return dataclasses.replace(batch, **wide)


def load_data(dataset: Path) -> Data:
    """Open a dataset with the objective of the laptop's run on Beauty."""
    tokenizer, catalog = load_tokenizer(dataset / "tokenizer"), load_catalog(dataset)
    objective = load_config(CONFIG).objective
    trie = build_token_trie([item.token_ids for item in catalog.items], tokenizer.special.end)
    automaton = PositionAutomaton(catalog.pool(), objective.intra_mode)
    builder = ExampleBuilder(objective, tokenizer.special, automaton, trie)
    reader = ExampleReader(dataset / "examples" / "train")
    return Data(reader, builder, trie, tokenizer.special.pad, tokenizer.vocab_size)


class Trainer:
    """A new glm-mini and its optimiser."""

    def __init__(self, data: Data) -> None:
        torch.manual_seed(0)
        model = GLM(dataclasses.replace(PRESETS["glm-mini"], vocab_size=data.vocab_size))
        self._loss = InfillingLoss(model, data.trie)
        self._optimizer = torch.optim.AdamW(parameter_groups(model, OptimizerConfig()), lr=1e-4)

    def losses(self, batches: list[Batch]) -> list[float]:
        """Return the loss of each batch."""
        with torch.no_grad():
            return [float(self._loss(batch).token) for batch in batches]

    def train(self, batches: list[Batch]) -> None:
        """Make one step a batch."""
        for batch in batches:
            self._optimizer.zero_grad()
            (self._loss(batch).token / max(batch.num_targets, 1)).backward()
            torch.nn.utils.clip_grad_norm_(self._loss.parameters(), 1.0)
            self._optimizer.step()


def step_row(
    work: str, alternative: str, trainer: Trainer, packed: list[Batch], padded: list[Batch], pairs: int
) -> Row:
    """Compare the microseconds of a useful token, after checking that both have the same losses."""
    for own, other in zip(trainer.losses(packed), trainer.losses(padded), strict=True):
        assert abs(own - other) <= 1e-3 * abs(other), f"the loss is {own} packed and {other} padded"
    row = time_pairs(work, alternative, lambda: trainer.train(packed), lambda: trainer.train(padded), pairs=pairs)
    scale = MICROSECONDS / sum(batch.num_tokens for batch in packed)
    rates = [f"{MICROSECONDS / (scale * statistics.median(seconds)):,.0f}" for seconds in (row.ours, row.others)]
    note = (
        f"useful {useful_share(packed):.1%} against {useful_share(padded):.1%} of the tokens; "
        f"{rates[0]} against {rates[1]} useful tokens/s"
    )
    ours, others = ([scale * second for second in seconds] for seconds in (row.ours, row.others))
    return dataclasses.replace(row, ours=ours, others=others, unit="µs a token", note=note)


def useful_share(batches: list[Batch]) -> float:
    """Return the share of the tokens that are no padding."""
    return sum(batch.num_tokens for batch in batches) / sum(batch.token_ids.numel() for batch in batches)


def host_row(data: Data, trainer: Trainer, batch_size: int, steps: int) -> Row:
    """Compare what the host does for a step, drawing and packing, with the step itself."""
    examples = data.steps(batch_size)
    next(examples)
    ours, others = [], []
    for _ in range(steps):
        began = time.perf_counter()
        batch = data.pack(next(examples))
        ready = time.perf_counter()
        trainer.train([batch])
        ours.append(1e3 * (ready - began))
        others.append(1e3 * (time.perf_counter() - ready))
    note = "the platform's thread does it while the step before runs"
    return Row(
        work="host work for a step: read, draw, pack",
        alternative="the step itself",
        ours=ours,
        others=others,
        unit="ms",
        note=note,
    )


def build_rows(data: Data, batch_size: int, pairs: int, quick: bool) -> dict[str, Callable[[], Row]]:
    """Return what makes each row, by name."""
    count = 2 if quick else 8
    trainer = Trainer(data)
    drawn = data.random_batches(batch_size, count)
    steps = data.steps(batch_size)
    alike = [next(steps) for _ in range(count)]

    def row(name: str, alternative: str, batches: list[list[Example]], pad: Callable[[list[Example]], Batch]) -> Row:
        packed, padded = [data.pack(batch) for batch in batches], [pad(batch) for batch in batches]
        return step_row(name, alternative, trainer, packed, padded, pairs)

    random, like = f"steps of {batch_size} random examples", f"steps of {batch_size} examples of like lengths"
    rows = {
        "longest": lambda: row(random, "padded to the longest", drawn, data.pad),
        "alike": lambda: row(like, "padded to the longest", alike, data.pad),
        "fixed": lambda: row(random, f"padded to {FIXED_TOKENS:,}", drawn[:1], data.pad_to_fixed),
        "host": lambda: host_row(data, trainer, batch_size, 4 if quick else 30),
    }
    if quick:
        del rows["fixed"]
    return rows


def main() -> None:
    """Print each row as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="fewer batches a row, 3 pairs, not padded to 1,024")
    parser.add_argument("--json", type=Path, help="keeps the rows")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pairs = 3 if options.quick else options.pairs
    makers = build_rows(load_data(options.dataset), options.batch_size, pairs, options.quick)
    report = Report(options.json, {name: str(value) for name, value in vars(options).items() if name != "json"})
    for name, make in makers.items():
        report.measure(name, lambda make=make: [make()])


if __name__ == "__main__":
    main()
