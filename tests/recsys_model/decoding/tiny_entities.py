"""A tiny entity head, prompts of both layouts, and what they come to by loops and whole forward passes.

Nothing here uses a cache, a trie or a table of the product: the reference sums word embeddings in loops and reads a
prompt and what follows it in one pass. Token 10 opens a text, 11 closes a sentence, (12, 13) is an attribute.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone, FullAttention
from recsys_model.config import HistoryLayout
from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.entity_config import BlendWeights, EntityConfig
from recsys_model.entity_head.co_occurrence import CoOccurrenceCounts
from recsys_model.entity_head.head import EntityHead
from recsys_model.entity_head.scorer import EntityScorer, build_scorer
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import Prompt, build_prompt
from recsys_model.text.textualize import ATTRIBUTE, TokenizedText
from tests.recsys_model.decoding.tiny_decoding import SPECIAL

Titles = Sequence[tuple[int, ...]]
Pairs = Mapping[tuple[int, int], int]
"""(earlier item, later item) -> number of times."""
ATTRIBUTE_TOKENS = (12, 13)
ENTITY_ALONE = BlendWeights(token=0.0, entity=1.0, co_occurrence=0.0)


def catalog_of(titles: Titles) -> Catalog:
    return Catalog([CatalogItem(f"i{n}", f"t{n}", f"t{n}", tuple(row)) for n, row in enumerate(titles)], {})


def head_of(model: Backbone, titles: Titles, seed: int = 0, size: float = 0.3, **settings: object) -> EntityHead:
    """Return a head whose tables are random."""
    config = EntityConfig(enabled=True, **settings)  # type: ignore[arg-type]
    head = EntityHead(model.config.hidden_size, titles, config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
        if head.repeat_weight is not None:
            head.repeat_weight.fill_(-0.007)
    head.measure_words(model)
    return head


def counts_of(pairs: Pairs, num_items: int) -> CoOccurrenceCounts:
    rows = [sorted((later, n) for (earlier, later), n in pairs.items() if earlier == item) for item in range(num_items)]
    flat = [pair for row in rows for pair in row]
    return CoOccurrenceCounts(
        np.cumsum([0, *map(len, rows)]),
        np.array([later for later, _ in flat], dtype=np.int64),
        np.log1p(np.array([n for _, n in flat], dtype=np.float32)),
    )


def scorer_of(
    head: EntityHead, model: Backbone, titles: Titles, blend: BlendWeights | None = None, pairs: Pairs | None = None
) -> EntityScorer:
    counts = None if pairs is None else counts_of(pairs, len(titles))
    return build_scorer(head, model, catalog_of(titles).items, blend, counts)


def text_of(history: Sequence[int], titles: Titles) -> TokenizedText:
    text = TokenizedText()
    text.add_text([10])
    text.add_entity(ATTRIBUTE_TOKENS, ATTRIBUTE)
    for item in history:
        text.add_text([11])
        text.add_entity(titles[item], item)
    return text


def prompt_of(history: Sequence[int], titles: Titles, *, layout: HistoryLayout = "tokens") -> Prompt:
    return build_prompt(text_of(history, titles), SPECIAL, layout=layout)


def mean_by_hand(model: Backbone, tokens: Sequence[int], trained: Titles) -> Tensor:
    """Return the mean of word embeddings in which rare tokens of the trained items count more, float64."""
    weights = [math.log((len(trained) + 1) / max(1, sum(token in title for title in trained))) for token in tokens]
    words_XD = model.word_vectors(torch.tensor(tokens)).double()
    return sum(weight * word for weight, word in zip(weights, words_XD, strict=True)) / sum(weights)


@torch.no_grad()
def tables_by_hand(head: EntityHead, model: Backbone, titles: Titles) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return vectors, biases and input residuals, item by item, float64; items without a row have words alone.

    The residuals are those of the last item, and behind them those of the items before it where the head has such.
    """
    vectors, biases = [], []
    for item, tokens in enumerate(titles):
        words = mean_by_hand(model, tokens, titles[: head.num_items])
        vector = torch.zeros(len(words), dtype=torch.float64)
        if head.projection is not None:
            vector += float(head.word_scale) * words @ head.projection.double()
        if head.residuals is not None and item < head.num_items:
            vector += head.config.residual_scale * head.residuals[item].double()
        vectors.append(vector)
        biases.append(float(head.biases[item]) if item < head.num_items else 0.0)
    vectors_ND = torch.stack(vectors)
    biases_N = torch.tensor(biases, dtype=torch.float64)
    if head.input_projection is None:
        return vectors_ND, biases_N, None
    matrices = [head.input_projection, *([] if head.earlier_projections is None else head.earlier_projections)]
    return vectors_ND, biases_N, torch.stack([vectors_ND @ matrix_DD.double() for matrix_DD in matrices])


@torch.no_grad()
def states_by_hand(
    model: Backbone, prompt: Prompt, tokens: Sequence[int], intra_ids: Sequence[int], inputs_END: Tensor | None
) -> Tensor:
    """Return the states of `[S] tokens` behind a prompt, by one pass over all of it, [1 + tokens, D]."""
    part_b = [SPECIAL.start, *tokens]
    ids = torch.tensor([[*prompt.token_ids, *part_b]])
    inter = torch.tensor([[*prompt.inter_position_ids, *[prompt.mask_position] * len(part_b)]])
    intra = torch.tensor([[*prompt.intra_position_ids, *intra_ids]])
    added = None
    if inputs_END is not None:
        added = torch.zeros(1, ids.shape[1], inputs_END.shape[2], dtype=torch.float64)
        latest, earlier = [*prompt.input_items, prompt.last_item], [*prompt.earlier_items, prompt.items_before_last]
        for place, items in enumerate(zip(latest, *zip(*earlier, strict=True), strict=True)):
            for inputs_ND, item in zip(inputs_END, items, strict=False):
                if item >= 0:
                    added[0, place] += inputs_ND[item]
    attention = FullAttention(model.visible(torch.tensor([prompt.part_a_len]), ids.shape[1]))
    return model.hidden_states(ids, inter, intra, attention, added)[0, len(prompt.token_ids) :]


@torch.no_grad()
def token_scores_by_hand(
    model: Backbone,
    prompt: Prompt,
    titles: Titles,
    present: Sequence[int],
    inputs_END: Tensor | None = None,
    *,
    temperature: float = 1.0,
) -> dict[int, float]:
    """Return the score of each item that is present, its tokens renormalised over what the present titles allow."""
    automaton = PositionAutomaton(catalog_of(titles).pool())
    ended = {item: (*titles[item], SPECIAL.end) for item in present}
    scores = {}
    for item, tokens in ended.items():
        hidden = states_by_hand(model, prompt, tokens[:-1], automaton.span_ids(tokens[:-1]), inputs_END)
        logits = model.logits(hidden).double() / temperature
        scores[item] = 0.0
        for depth, token in enumerate(tokens):
            siblings = sorted({other[depth] for other in ended.values() if other[:depth] == tokens[:depth]})
            scores[item] += float(logits[depth, token] - logits[depth, siblings].logsumexp(0))
    return scores


def count_by_hand(history: Sequence[int], item: int, decay: float, pairs: Pairs) -> float:
    return float(np.log1p(sum(decay**age * pairs.get((earlier, item), 0) for age, earlier in enumerate(history[::-1]))))


@torch.no_grad()
def scores_by_hand(
    model: Backbone,
    head: EntityHead,
    titles: Titles,
    prompt: Prompt,
    blend: BlendWeights = ENTITY_ALONE,
    pairs: Pairs | None = None,
    present: Sequence[int] | None = None,
) -> dict[int, float]:
    """Return the blended score of every item that is present, by default of all."""
    present = range(len(titles)) if present is None else present
    vectors_ND, biases_N, inputs_END = tables_by_hand(head, model, titles)
    hidden_D = states_by_hand(model, prompt, [], [1], inputs_END)[0].double()
    logits = {item: float(vectors_ND[item] @ hidden_D) / head.temperature + float(biases_N[item]) for item in present}
    if head.repeat_bias is not None:
        logits = {item: score + float(head.repeat_bias) * (item in prompt.history) for item, score in logits.items()}
    total = float(torch.tensor(list(logits.values()), dtype=torch.float64).logsumexp(0))
    tokens = dict.fromkeys(present, 0.0)
    if blend.token:
        tokens = token_scores_by_hand(model, prompt, titles, present, inputs_END)
    return {
        item: blend.token * tokens[item]
        + blend.entity * (logits[item] - total)
        + blend.co_occurrence * count_by_hand(prompt.history, item, blend.history_decay, pairs or {})
        for item in present
    }


def best(scores: Mapping[int, float], k: int, without: Sequence[int] | set[int] = ()) -> list[tuple[int, float]]:
    """Return the best items that are not excluded; of equal scores the lower index comes first."""
    left = [(item, score) for item, score in scores.items() if item not in without]
    return sorted(left, key=lambda pair: (-pair[1], pair[0]))[:k]
