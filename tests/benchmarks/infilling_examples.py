"""Measure how many examples one core draws and pads per second of CPU time, independent of other work.

    python -m tests.benchmarks.infilling_examples [--seconds 2] [--quick]

There is no alternative implementation of these examples. The effect on training is the row "host work for a step" of
`training_step`.
"""

import argparse
import time

import numpy as np

from recsys_model.config import PLAIN_GLM, ObjectiveConfig
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.batch import ExampleCollator
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.textualize import ATTRIBUTE, TokenizedText
from recsys_model.text.tokenizer import SpecialTokens

SPECIAL = SpecialTokens(pad=8000, eos=8001, start=8002, end=8003, cls=8004, mask=8005, gmask=8006, smask=8007)
FULL_STOP, NUM_ITEMS, BATCH_SIZE = 7999, 12_000, 32
SETTINGS = {
    "recsysllm, lm": ObjectiveConfig(),
    "recsysllm, trie": ObjectiveConfig(item_loss="trie"),
    "recsysllm, gold": ObjectiveConfig(segmentation="gold"),
    "plain glm": PLAIN_GLM,
}


def random_items(rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Draw distinct titles of 3 to 20 tokens."""
    sizes = rng.integers(3, 21, NUM_ITEMS)
    return list(dict.fromkeys(tuple(rng.integers(0, 2000, size).tolist()) for size in sizes))


def random_text(items: list[tuple[int, ...]], num_events: int, rng: np.random.Generator) -> TokenizedText:
    """Build a user feature, a history and a target."""
    text = TokenizedText()
    text.add_text([7000, 7001])
    text.add_entity([7002, 7003], ATTRIBUTE)
    for item in rng.integers(0, len(items), num_events).tolist():
        text.add_entity(items[item], item)
        text.add_text([FULL_STOP])
        text.end_sentence()
    text.add_entity(items[0], 0)
    return text


def examples_per_second(collate: ExampleCollator, texts: list[TokenizedText], seconds: float) -> float:
    """Draw batches for so long."""
    began, num_examples = time.process_time(), 0
    while time.process_time() - began < seconds:
        collate(texts, [("benchmark", num_examples, index) for index in range(len(texts))])
        num_examples += len(texts)
    return num_examples / (time.process_time() - began)


def main() -> None:
    """Print one line per setting and length of the history."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each line (default 2)")
    parser.add_argument("--quick", action="store_true", help="0.2 seconds a line")
    options = parser.parse_args()
    seconds = 0.2 if options.quick else options.seconds
    rng = np.random.default_rng(0)
    items = random_items(rng)
    pool, trie = EntityPool(items), build_token_trie(items, SPECIAL.end)
    for num_events in (8, 20, 80):
        texts = [random_text(items, num_events, rng) for _ in range(BATCH_SIZE)]
        mean_tokens = sum(map(len, texts)) / BATCH_SIZE
        for name, objective in SETTINGS.items():
            builder = ExampleBuilder(objective, SPECIAL, PositionAutomaton(pool, objective.intra_mode), trie)
            rate = examples_per_second(ExampleCollator(builder, SPECIAL.pad), texts, seconds)
            print(f"{mean_tokens:6.0f} tokens  {name:22s} {rate:8.0f} examples/s")


if __name__ == "__main__":
    main()
