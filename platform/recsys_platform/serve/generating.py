"""Generate the answers of a batch of queries: those that are searched exactly apart from those of the beam search."""

from collections.abc import Sequence

from recsys_model.decoding.answers import Answer
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_platform.serve.request_reader import Query


def generate(generator: TrieGuidedGenerator, queries: Sequence[Query]) -> list[Answer]:
    """Return the answer of each query, in order; it has at most the query's `k` items."""
    answers: dict[int, Answer] = {}
    for exact in (False, True):
        places = [place for place, query in enumerate(queries) if query.exact == exact]
        if places:
            found = _together(generator.with_exact(exact), [queries[place] for place in places])
            answers.update(zip(places, found, strict=True))
    return [answers[place] for place in range(len(queries))]


def _together(generator: TrieGuidedGenerator, queries: Sequence[Query]) -> list[Answer]:
    answers = generator.search(
        [query.user.prompt for query in queries],
        max(query.k for query in queries),
        [query.excluded for query in queries],
        [query.allowed for query in queries],
        [query.rules for query in queries],
    )
    return [answer.first(query.k) for answer, query in zip(answers, queries, strict=True)]
