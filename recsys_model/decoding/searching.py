"""The answers of the queries of one call: by a search if scores depend on tokens, else by one state per query.

Queries with caps are searched apart from those without, which then cost what they always cost.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from recsys_model.config import DecodingConfig
from recsys_model.decoding.answers import Answer, Recommendation
from recsys_model.decoding.beam import beam_search
from recsys_model.decoding.capped import CappedItems, capped_best_first, choose_from_scores
from recsys_model.decoding.caps import Pairs
from recsys_model.decoding.exact import Certificate, best_first
from recsys_model.decoding.expansion import Expansion, SearchSpace
from recsys_model.decoding.hypotheses import DEAD, Finished
from recsys_model.decoding.item_scores import best_items
from recsys_model.decoding.queries import ItemQuery, filter_of

Search = Callable[[SearchSpace, Sequence[ItemQuery], int, DecodingConfig], list[Answer]]


def search_queries(space: SearchSpace, queries: Sequence[ItemQuery], k: int, config: DecodingConfig) -> list[Answer]:
    """Return the best items of each query by a search over the trie.

    Raises:
        ConfigError: a prompt is too long for the model.
        DataError: a list holds an index that is not one of the catalogue.
    """
    answers: dict[int, Answer] = {}
    kinds: tuple[tuple[bool, Search], ...] = (
        (False, _exact if config.exact else _beams),
        (True, _capped_exact if config.exact else _capped_beams),
    )
    for is_capped, search in kinds:
        places = [place for place, query in enumerate(queries) if bool(query.limits) == is_capped]
        if places:
            some_answers = search(space, [queries[place] for place in places], k, config)
            answers.update(zip(places, some_answers, strict=True))
    return [answers[place] for place in range(len(queries))]


def rank_queries(space: SearchSpace, queries: Sequence[ItemQuery], k: int, config: DecodingConfig) -> list[Answer]:
    """Return the best items of each query by token-independent scores, which is exact without a search.

    Raises:
        ConfigError: a prompt is too long for the model.
        DataError: a list holds an index that is not one of the catalogue.
    """
    assert space.item_scores is not None, "only called where whole items are scored"
    expansion = Expansion(space, [query.prompt for query in queries], filter_of(space.lists, queries))
    answers = []
    for pairs in _best_of(space, expansion.score_items(), queries, k + 1):
        bound = max((score for _, score in pairs[k:]), default=DEAD)
        answers.append(_answer(pairs[:k], Certificate(bound, 0.0, 0) if config.exact else None))
    return answers


def _best_of(space: SearchSpace, score_RI: Tensor, queries: Sequence[ItemQuery], k: int) -> list[Pairs]:
    assert space.item_scores is not None, "only called where whole items are scored"
    items_I = space.item_scores.items_I
    free = [row for row, query in enumerate(queries) if not query.limits]
    row_to_pairs = dict(zip(free, best_items(score_RI[free], items_I, k), strict=True))
    return [
        choose_from_scores(score_RI[row], items_I, query.choice(k), space.lists) if query.limits else row_to_pairs[row]
        for row, query in enumerate(queries)
    ]


def _exact(space: SearchSpace, queries: Sequence[ItemQuery], k: int, config: DecodingConfig) -> list[Answer]:
    finished = Finished(len(queries), k, space.model.device)
    prompts = [query.prompt for query in queries]
    expansion = Expansion(space, prompts, filter_of(space.lists, queries), finished, keeps_beams=True)
    certificates = best_first(expansion, len(queries), config.max_expansions)
    return [_answer(*pair) for pair in zip(finished.as_lists(), certificates, strict=True)]


def _beams(space: SearchSpace, queries: Sequence[ItemQuery], k: int, config: DecodingConfig) -> list[Answer]:
    finished = Finished(len(queries), k, space.model.device)
    expansion = Expansion(space, [query.prompt for query in queries], filter_of(space.lists, queries), finished)
    beam_search(expansion, len(queries), config.num_beams)
    return [_answer(pairs, None) for pairs in finished.as_lists()]


def _capped_exact(space: SearchSpace, queries: Sequence[ItemQuery], k: int, config: DecodingConfig) -> list[Answer]:
    finished = CappedItems([query.choice(k) for query in queries], space.model.device, is_exact=True)
    queries = [query.with_mask(space.lists.num_items) for query in queries]
    prompts = [query.prompt for query in queries]
    expansion = Expansion(space, prompts, filter_of(space.lists, queries), finished, keeps_beams=True)
    certificates = capped_best_first(expansion, finished, len(queries), config.max_expansions)
    return [
        _answer(choice.items, certificate) for choice, certificate in zip(finished.choices, certificates, strict=True)
    ]


def _capped_beams(space: SearchSpace, queries: Sequence[ItemQuery], k: int, config: DecodingConfig) -> list[Answer]:
    """Choose from beams; a query that gets too few items, though other choices may have more, is searched exactly."""
    answers = [_answer(pairs, None) for pairs in _choose_from_beams(space, queries, k, config.num_beams)]
    short = [
        place
        for place, (query, answer) in enumerate(zip(queries, answers, strict=True))
        if len(answer.items) < k and query.choice(k).has_overlapping_groups
    ]
    if short:
        for place, other in zip(
            short, _capped_exact(space, [queries[place] for place in short], k, config), strict=True
        ):
            if len(other.items) > len(answers[place].items):
                answers[place] = Answer(other.items, None)
    return answers


def _choose_from_beams(space: SearchSpace, queries: Sequence[ItemQuery], k: int, num_beams: int) -> list[Pairs]:
    """Search again without the items that were chosen and those that they forbid, until no query wants or finds more."""
    encoded = space.encode([query.prompt for query in queries])
    choices = [query.choice(k) for query in queries]
    left, places = [query.with_mask(space.lists.num_items) for query in queries], list(range(len(queries)))
    while places:
        some = [left[place] for place in places]
        finished = CappedItems([choices[place] for place in places], space.model.device, is_exact=False)
        prompts, items = [query.prompt for query in some], filter_of(space.lists, some)
        expansion = Expansion(space, prompts, items, finished, encoded=encoded.of_requests(places))
        beam_search(expansion, len(some), num_beams)
        still = []
        for row, place in enumerate(places):
            num_before = len(choices[place].items)
            forbidden = finished.settle(row)
            chosen = [item for item, _ in choices[place].items[num_before:]]
            if chosen and not choices[place].is_complete:
                left[place] = left[place].without([*chosen, *forbidden.tolist()])
                still.append(place)
        places = still
    return [sorted(choice.items, key=lambda pair: (-pair[1], pair[0])) for choice in choices]


def _answer(pairs: Pairs, certificate: Certificate | None) -> Answer:
    return Answer([Recommendation(item, score) for item, score in pairs], certificate)
