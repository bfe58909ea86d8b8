"""Latency of a decoding step for 16 requests x 20 beams, random weights. Without Ray.

    python -m tests.gpu.decode_step [--size glm-10b] [--requests 16] [--beams 20] [--items 12101] [--history 256]
                                    [--repetitions 10] [--device cuda] [--json FILE]

A step feeds the labels of all beams, scores the children and chooses. Beside it stands the time in which the device
reads all weights once, which no step can beat.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from recsys_model.decoding.expansion import Expansion, SearchSpace
from recsys_model.decoding.hypotheses import Finished, best_beams, first_beams
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.prompt import Prompt
from tests.benchmarks.trie_rows import GENERATED_SPECIAL as SPECIAL
from tests.benchmarks.trie_rows import generated_titles
from tests.gpu.sizes import SIZES, device_name, peak_memory_gib, peaks, random_model, synchronize
from tests.recsys_model.decoding.plain_prompt import plain_prompt

K = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeFigures:
    """What a decoding step takes."""

    size: str
    device: str
    requests: int
    beams: int
    history_tokens: int
    part_a_ms: float
    """Median time to read all histories."""
    step_ms: list[float]
    """Median time of the first, second, ... step."""
    request_ms: float
    """Median time of all of it."""
    weights_ms: float | None
    """Time to read the weights once; None for an unknown device."""
    peak_memory_gib: float | None


def prompts(count: int, num_tokens: int) -> list[Prompt]:
    """Draw histories of drawn tokens outside entities, the mask at the end."""
    rng = np.random.default_rng(0)
    return [
        plain_prompt(
            [SPECIAL.cls or 0, *rng.integers(0, 16_000, num_tokens - 2).tolist(), SPECIAL.gmask],
            [0] * num_tokens,
            mask_position=num_tokens - 1,
        )
        for _ in range(count)
    ]


@torch.inference_mode()
def timed_steps(space: SearchSpace, asked: list[Prompt], num_beams: int, device: torch.device) -> Iterator[float]:
    """Yield the milliseconds of part A, then of each step until no beam can improve its request's items."""
    start = _now(device)
    finished = Finished(len(asked), K, device)
    expansion = Expansion(space, asked, space.lists.filter_of([()] * len(asked), None), finished)
    beams = first_beams(len(asked), expansion.device)
    yield 1000 * (_now(device) - start)
    while beams.nodes.numel():
        start = _now(device)
        found = expansion.expand(beams)
        if found is None:
            return
        beams = best_beams(beams.requests, found, num_beams)
        yield 1000 * (_now(device) - start)


def _now(device: torch.device) -> float:
    synchronize(device)
    return time.perf_counter()


def main(arguments: list[str] | None = None) -> DecodeFigures:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SIZES), default="glm-10b")
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--beams", type=int, default=20)
    parser.add_argument("--items", type=int, default=12_101)
    parser.add_argument("--history", type=int, default=256, help="tokens of part A (default 256)")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", type=Path, help="gets all figures")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    model = random_model(options.size, device).eval()
    trie = build_token_trie(generated_titles(options.items), SPECIAL.end)
    space = SearchSpace(model, trie, SPECIAL, "trie")
    asked = prompts(options.requests, options.history)
    list(timed_steps(space, asked, options.beams, device))
    runs = [list(timed_steps(space, asked, options.beams, device)) for _ in range(options.repetitions)]
    parts = [statistics.median(column) for column in zip(*runs, strict=True)]
    best = peaks(device)
    num_bytes = sum(parameter.nbytes for parameter in model.parameters())
    figures = DecodeFigures(
        size=options.size,
        device=device_name(device),
        requests=options.requests,
        beams=options.beams,
        history_tokens=options.history,
        part_a_ms=parts[0],
        step_ms=parts[1:],
        request_ms=statistics.median(sum(run) for run in runs),
        weights_ms=None if best is None else 1000 * num_bytes / best[1],
        peak_memory_gib=peak_memory_gib(device),
    )
    weights = "" if figures.weights_ms is None else f" (reading the weights once: {figures.weights_ms:.1f} ms)"
    print(
        f"{figures.size} on {figures.device}, {figures.requests} x {figures.beams} beams: part A of "
        f"{figures.history_tokens} tokens {figures.part_a_ms:.1f} ms, {len(figures.step_ms)} steps of "
        f"{statistics.median(figures.step_ms):.1f} ms{weights}, in all {figures.request_ms:.1f} ms"
    )
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(figures), indent=1) + "\n", encoding="utf-8")
    return figures


if __name__ == "__main__":
    main()
