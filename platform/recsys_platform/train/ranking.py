"""Rank the validation targets among all items with the entity head; `train.keep: best` uses NDCG@10 of these ranks.

One forward pass of the histories and one product with the item vectors: cheap enough for all validation users.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist

from recsys_model.evaluation.metrics import LARGEST_K
from recsys_model.infilling.batch import pack_examples, pad_examples
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.packing import fill_rows
from recsys_platform.config.run import RunConfig
from recsys_platform.train.engine import Engine, RankedBatch
from recsys_platform.train.reader import ExampleReader, to_examples, token_counts
from recsys_platform.train.sampler import share_of_batches

SEEN_COLUMN = "seen_items"
BEST_METRIC = "eval/ndcg_at_10"


class ValidationRanking:
    """All validation examples as prompts, shared among the workers."""

    def __init__(self, config: RunConfig, builder: ExampleBuilder, pad_token: int) -> None:
        """Read the lengths of all examples.

        Raises:
            CheckpointError: the dataset has no validation examples.
        """
        self._reader = ExampleReader(config.dataset_folder / "examples" / "valid", (SEEN_COLUMN,))
        self._builder = builder
        self._pad_token = pad_token
        self._row_tokens = config.train.packed_row_tokens
        self._excludes_seen = config.evaluate.exclude_seen
        rows = np.arange(self._reader.num_rows)
        lens = token_counts(self._reader.read(rows)) if len(rows) else np.zeros(0, dtype=np.int64)
        self._batches = share_of_batches(
            np.argsort(lens, kind="stable"), config.train.batch_size, dist.get_rank(), dist.get_world_size()
        )

    def measure(self, engine: Engine) -> dict[str, float]:
        """Return HR@10 and NDCG@10 over all validation examples; all workers take part."""
        ranks = np.array(engine.ranks(self._ranked_batches()), dtype=np.int64)
        is_hit = ranks <= LARGEST_K
        gains = np.where(is_hit, 1.0 / np.log2(ranks + 1.0), 0.0)
        hits, gain, count = engine.sum_over_workers(float(is_hit.sum()), float(gains.sum()), float(len(ranks)))
        return {"eval/hr_at_10": hits / max(count, 1.0), BEST_METRIC: gain / max(count, 1.0)}

    def _ranked_batches(self) -> Iterator[RankedBatch]:
        for rows, counts in self._batches:
            table = self._reader.read(rows)
            texts = [example.text for example in to_examples(table)]
            examples = [self._builder.ask_for_item(text, len(text.entity_starts) - 1) for text in texts]
            seen = [torch.tensor(items, dtype=torch.int64) for items in table[SEEN_COLUMN].to_pylist()]
            if not self._excludes_seen:
                seen = [items[:0] for items in seen]
            if self._row_tokens is None:
                yield RankedBatch(pad_examples(examples, self._pad_token), seen, counts)
                continue
            # packing reorders examples row by row, and so their targets
            packed_rows = fill_rows([len(example.token_ids) for example in examples], self._row_tokens)
            batch = pack_examples(examples, self._pad_token, self._row_tokens)
            yield RankedBatch(batch, [seen[place] for row in packed_rows for place in row], counts)


@dataclass(slots=True)
class BestSoFar:
    """The best validation of a run, and the number of later ones."""

    value: float = -1.0
    """Its metric; below 0 before the first."""
    step: int = 0
    """Its step."""
    num_since: int = 0
    """Validations since then."""

    def take(self, value: float, step: int) -> bool:
        """Count a validation and return whether it is the best."""
        if value <= self.value:
            self.num_since += 1
            return False
        self.value, self.step, self.num_since = value, step, 0
        return True
