"""Compare exact search with scoring every item, and count how often beams of a width miss the true top ten.

Shape suffixes: I = items of a chunk, T = tokens of part B, S = keys, D = hidden size, V = vocabulary.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from recsys_model.backbones.base import attend
from recsys_model.config import DecodingConfig
from recsys_model.decoding.prompts import encode_prompts
from recsys_model.infilling.prompt import Prompt
from tests.benchmarks.generation_data import K, Setting
from tests.benchmarks.pairs import Row, time_pairs

CHUNK = 100
WIDTHS = (10, 20, 40, 80)


class SharedPartA:
    """Attention of many items' part B, each causal, to one part A."""

    def __init__(self, keys: Sequence[Tensor], values: Sequence[Tensor], num_items: int, num_tokens: int) -> None:
        self._keys = [states.expand(num_items, -1, -1, -1) for states in keys]
        self._values = [states.expand(num_items, -1, -1, -1) for states in values]
        self._num_part_a = keys[0].shape[2]
        causal_TT = torch.ones(num_tokens, num_tokens, dtype=torch.bool).tril()
        self._visible_TS = torch.cat([causal_TT.new_ones((num_tokens, self._num_part_a)), causal_TT], dim=1)

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend without a cache."""
        keys, values = torch.cat([self._keys[layer], key], dim=2), torch.cat([self._values[layer], value], dim=2)
        return attend(query, keys, values, self._visible_TS)

    def positions(self) -> Tensor:
        """Return the place of each token behind part A."""
        num_tokens = len(self._visible_TS)
        return (self._num_part_a + torch.arange(num_tokens)).expand(len(self._keys[0]), -1)


class ExhaustiveScorer:
    """Feeds every item whole and adds up what each of its tokens has among the tokens that items allow there."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._ended = [(*row, setting.special.end) for row in setting.sequences]
        allowed: dict[tuple[int, ...], set[int]] = {}
        for row in self._ended:
            for size, token in enumerate(row):
                allowed.setdefault(row[:size], set()).add(token)
        self._allowed = {prefix: sorted(tokens) for prefix, tokens in allowed.items()}

    @torch.inference_mode()
    def recommend(self, prompt: Prompt, k: int) -> list[tuple[int, float]]:
        """Return the best items of the whole catalogue with their scores."""
        part_a = encode_prompts(self._setting.model, [prompt], self._setting.special)
        scores: list[float] = []
        for start in range(0, len(self._ended), CHUNK):
            rows = self._ended[start : start + CHUNK]
            longest = max(map(len, rows))
            start_token = self._setting.special.start
            ids_IT = torch.tensor([[start_token, *row[:-1], *[0] * (longest - len(row))] for row in rows])
            inter_IT = torch.full_like(ids_IT, prompt.mask_position)
            intra_IT = torch.arange(1, longest + 1).expand_as(ids_IT)
            attention = SharedPartA(part_a.keys_LRGAE, part_a.values_LRGAE, len(rows), longest)
            hidden_ITD = self._setting.model.hidden_states(ids_IT, inter_IT, intra_IT, attention)
            scores += [self._score(row, hidden_TD) for row, hidden_TD in zip(rows, hidden_ITD, strict=True)]
        best = sorted(range(len(scores)), key=lambda item: (-scores[item], item))[:k]
        return [(item, scores[item]) for item in best]

    def _score(self, row: tuple[int, ...], hidden_TD: Tensor) -> float:
        score = 0.0
        for place, token in enumerate(row):
            tokens = self._allowed[row[:place]]
            if len(tokens) > 1:
                rows_UD = self._setting.model.output_rows(torch.tensor(tokens))
                log_probs = (rows_UD @ hidden_TD[place]).log_softmax(dim=0)
                score += float(log_probs[tokens.index(token)])
        return score


def exact_rows(setting: Setting, num_items: int, num_users: int, pairs: int) -> Iterator[Row]:
    """Compare answers and seconds over a part of the catalogue, for every user of a part of the test users."""
    small = setting.with_items(num_items)
    exact, exhaustive = small.generator(DecodingConfig(exact=True)), ExhaustiveScorer(small)
    equal, proven, worst = 0, 0, 0.0
    for prompt in setting.prompts[:num_users]:
        (answer,) = exact.search([prompt], K)
        expected = exhaustive.recommend(prompt, K)
        gaps = [abs(own.score - score) for own, (_, score) in zip(answer.items, expected, strict=True)]
        worst = max(worst, *gaps)
        equal += max(gaps) <= 1e-5 * max(1.0, abs(expected[-1][1]))
        proven += answer.certificate is not None and answer.certificate.is_exact
    prompt = setting.prompts[0]
    yield time_pairs(
        f"provably best {K} of {num_items:,} items, one user",
        "scoring every item",
        lambda: exact.recommend([prompt], K),
        lambda: exhaustive.recommend(prompt, K),
        pairs=pairs,
        note=f"{num_users} users: same {K} best scores for {equal}, proven for {proven}, largest difference {worst:.1e}",
    )


def miss_rows(setting: Setting, num_users: int, num_plain_users: int, batch: int = 16) -> Iterator[Row]:
    """Count users whose beams do not find all of the true top ten, which the exact search proves."""
    prompts = setting.prompts[:num_users]
    truth = [set(items) for items in _items(setting.generator(DecodingConfig(exact=True)).recommend, prompts, batch)]
    for width in WIDTHS:
        ours = _items(setting.generator(DecodingConfig(num_beams=width)).recommend, prompts, batch)
        plain = setting.plain(width)
        others = _items(plain.recommend, prompts[:num_plain_users], batch)
        missed = [len(true - set(items)) for true, items in zip(truth, ours, strict=True)]
        other_missed = [len(true - set(items)) for true, items in zip(truth[:num_plain_users], others, strict=True)]
        own_share, other_share = (100 * sum(map(bool, each)) / len(each) for each in (missed, other_missed))
        yield Row(
            work=f"users for whom {width} beams miss one of the true top {K}, {num_users} users",
            alternative=f"token-by-token beam search, {num_plain_users} users",
            ours=[own_share],
            others=[other_share],
            unit="%",
            note=f"items missed per user: {sum(missed) / len(missed):.3f} against "
            f"{sum(other_missed) / len(other_missed):.3f}",
        )


def _items(recommend, prompts: Sequence[Prompt], batch: int) -> list[list[int]]:  # type: ignore[no-untyped-def]
    answers = [
        found for start in range(0, len(prompts), batch) for found in recommend(prompts[start : start + batch], K)
    ]
    return [[entry[0] if isinstance(entry, tuple) else entry.item for entry in found] for found in answers]
