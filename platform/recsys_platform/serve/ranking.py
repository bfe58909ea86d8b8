"""Rank given candidates of one user: each gets the score that a search would give it."""

from collections.abc import Sequence
from typing import Any

from recsys_model.errors import DataError
from recsys_platform.serve.request_reader import RequestReader
from recsys_platform.serve.schemas import Problem, Rejection
from recsys_platform.serve.scoring_schemas import RankedItem, RankRequest
from recsys_platform.serve.served_catalog import ServedCatalog


def rank_candidates(served: ServedCatalog, reader: RequestReader, request: RankRequest) -> Rejection | dict[str, Any]:
    """Return the fields of a `RankResponse` that depend on the user, or all problems of the request."""
    problems: list[Problem] = []
    user = reader.read_user(request, problems)
    indices, unknown = _read_candidates(served, reader, request, problems)
    if user is None or problems:
        return Rejection(detail=problems)
    scores = served.generator.score_candidates([user.prompt], [indices])[0] if indices else []
    return {
        "unknown_items": list(user.unknown),
        "items": _ranked(served, indices, scores),
        "unknown_candidates": unknown,
    }


def _ranked(served: ServedCatalog, indices: Sequence[int], scores: Sequence[float]) -> list[RankedItem]:
    best_first = sorted(zip(indices, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [
        RankedItem(id=served.catalog.items[index].item_id, title=served.title_of(index), score=score, rank=rank)
        for rank, (index, score) in enumerate(best_first, start=1)
    ]


def _read_candidates(
    served: ServedCatalog, reader: RequestReader, request: RankRequest, problems: list[Problem]
) -> tuple[list[int], list[str]]:
    """Return the indices of the candidates that are present, and the other candidates; each item counts once."""
    first_places: dict[int, int] = {}
    unknown: list[str] = []
    for place, candidate in enumerate(request.candidates):
        try:
            index = served.catalog.latest(reader.find(candidate, suggest=False))
            served.generator.check_item(index)
        except DataError as error:
            unknown.append(candidate)
            if request.strict:
                problems.append(Problem(loc=["body", "candidates", place], msg=str(error), type="unknown_item"))
            continue
        first = first_places.setdefault(index, place)
        if first != place:
            message = f"{candidate!r} is the same item as candidate {first}; name each item once"
            problems.append(Problem(loc=["body", "candidates", place], msg=message, type="duplicate_item"))
    return list(first_places), unknown
