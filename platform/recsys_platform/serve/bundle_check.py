"""Compares a bundle with the evaluated model: equal weights, and equal recommendations to validation users."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import torch

from recsys_model.bundle import Bundle
from recsys_model.decoding.generator import Answer, TrieGuidedGenerator
from recsys_model.errors import CheckpointError
from recsys_model.infilling.prompt import Prompt, build_prompt
from recsys_model.text.textualize import TokenizedText

K = 10
"""Items that are compared for each user."""
TOLERANCE = 1e-4
"""Most that the fp32 scores of equal weights differ by, relative to a score above 1: sums in another order round otherwise."""
MAX_NAMED = 3
_TEXT_COLUMNS = ["token_ids", "entity_starts", "entity_ends", "entity_items", "sentence_ends"]


def fingerprint(bundle: Bundle) -> dict[str, str]:
    """Return a digest of every tensor of the model and of its entity head."""
    head = {} if bundle.scorer is None else bundle.scorer.head.state_dict()
    tensors = {**bundle.model.state_dict(), **{f"entities.{name}": tensor for name, tensor in head.items()}}
    return {name: hashlib.sha256(tensor.reshape(-1).numpy().data).hexdigest() for name, tensor in tensors.items()}


def check_same_weights(evaluated: Mapping[str, str], bundled: Mapping[str, str]) -> None:
    """Raise unless two fingerprints are equal.

    Raises:
        CheckpointError: naming tensors that differ.
    """
    different = sorted(name for name in evaluated.keys() | bundled.keys() if evaluated.get(name) != bundled.get(name))
    if different:
        named = ", ".join(different[:MAX_NAMED])
        raise CheckpointError(
            f"the bundle does not hold the evaluated weights: {len(different)} of {len(evaluated)} tensors differ, among "
            f"them {named}; no bundle is kept. Take another bundle.adapter, and report this: nothing should be rounded"
        )


def validation_prompts(dataset_folder: Path, bundle: Bundle, num_users: int) -> list[Prompt]:
    """Return what the model is asked for the first `num_users` validation examples, without their targets."""
    settings, special = bundle.settings, bundle.tokenizer.special
    texts = [text.before(len(text.entity_starts) - 1) for text in _read_texts(dataset_folder, num_users)]
    return [build_prompt(text, special, settings.intra_mode, layout=settings.history_layout) for text in texts]


@torch.no_grad()
def recommend(bundle: Bundle, dataset_folder: Path, num_users: int) -> list[Answer]:
    """Return the best items for the first `num_users` validation examples, as a replica would."""
    settings = bundle.settings
    prompts = validation_prompts(dataset_folder, bundle, num_users)
    generator = TrieGuidedGenerator(
        bundle.model,
        bundle.catalog,
        bundle.tokenizer.special,
        settings.decoding,
        bundle.scorer,
        settings.trie_temperature,
    )
    k = min(K, settings.decoding.num_beams)
    return [answer for prompt in prompts for answer in generator.search([prompt], k)]


def largest_difference(evaluated: Sequence[Answer], bundled: Sequence[Answer]) -> float:
    """Return the largest difference between scores of the evaluated model and of its bundle; 0 where nothing was asked.

    An item that the bundle does not recommend counts with the bundle's last score: rounding decides which of two equal
    scores comes last.

    Raises:
        CheckpointError: scores differ by more than rounding.
    """
    largest = 0.0
    for user, (theirs, ours) in enumerate(zip(evaluated, bundled, strict=True)):
        scores = {each.item: each.score for each in ours.items}
        for each in theirs.items:
            score = scores.get(each.item, min(scores.values(), default=-torch.inf))
            difference = abs(each.score - score)
            if not difference <= TOLERANCE * max(1.0, abs(each.score)):
                raise CheckpointError(
                    f"the bundle does not recommend what the evaluated model does: validation user {user} gives item "
                    f"{each.item} the score {each.score:.6g}, in the bundle {score:.6g}; no bundle is kept. Report this: "
                    "the weights are equal, so a setting of the bundle must differ"
                )
            largest = max(largest, difference)
    return largest


def _read_texts(dataset_folder: Path, num_users: int) -> Iterator[TokenizedText]:
    left = num_users
    for path in sorted((dataset_folder / "examples" / "valid").glob("*.parquet")):
        if left <= 0:
            return
        rows = pq.read_table(path, columns=_TEXT_COLUMNS).slice(0, left).to_pylist()
        left -= len(rows)
        yield from (TokenizedText(**row) for row in rows)
