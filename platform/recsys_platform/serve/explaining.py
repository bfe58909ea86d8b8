"""Explanations of served items: the walk and the parts of a score, and what each event of a history contributes."""

from typing import Any

from recsys_model.decoding.explainer import Explainer
from recsys_model.decoding.queries import build_queries
from recsys_model.errors import DataError
from recsys_platform.serve.explain_schemas import ItemExplanation, PromptToken
from recsys_platform.serve.request_reader import Query, RequestReader
from recsys_platform.serve.schemas import Problem, RecommendedItem, Rejection
from recsys_platform.serve.scoring_schemas import EventEffect, ExplainRequest, Standing
from recsys_platform.serve.served_catalog import ServedCatalog


def with_explanations(
    explainer: Explainer, query: Query, items: list[RecommendedItem], indices: list[int]
) -> tuple[list[RecommendedItem], list[PromptToken]]:
    """Return recommended items with their explanations, and the tokens of the prompt; `indices` are those of the items."""
    explanations = [explainer.explain(query.user.prompt, index) for index in indices]
    explained = [
        item.model_copy(update={"explanation": ItemExplanation.model_validate(explanation)})
        for item, explanation in zip(items, explanations, strict=True)
    ]
    prompt = explanations[0].prompt if explanations else ()
    return explained, [PromptToken.model_validate(token) for token in prompt]


def explain_item(
    served: ServedCatalog, explainer: Explainer, reader: RequestReader, request: ExplainRequest
) -> Rejection | dict[str, Any]:
    """Return the fields of an `ExplainResponse` that depend on the item, or all problems of the request."""
    problems: list[Problem] = []
    query = reader.read_selection(request, problems)
    index = _read_item(served, reader, request, query, problems)
    if query is None or index is None or problems:
        return Rejection(detail=problems)
    explanation = explainer.explain(query.user.prompt, index)
    fields: dict[str, Any] = {
        "unknown_items": list(query.user.unknown),
        "id": served.catalog.items[index].item_id,
        "title": served.title_of(index),
        "score": explanation.score,
        "explanation": ItemExplanation.model_validate(explanation),
        "prompt": [PromptToken.model_validate(token) for token in explanation.prompt],
    }
    return fields | (_events(served, explainer, reader, query, index) if request.events else {})


def _events(
    served: ServedCatalog, explainer: Explainer, reader: RequestReader, query: Query, index: int
) -> dict[str, Any]:
    effects = explainer.leave_events_out(
        query.user.text, reader.prompt_of, index, query.excluded, query.allowed, query.rules
    )
    events = [
        EventEffect(
            event=effect.event,
            id=served.catalog.items[effect.item].item_id,
            title=served.title_of(effect.item),
            without=Standing.model_validate(effect.without),
        )
        for effect in effects.events
    ]
    return {"whole": Standing.model_validate(effects.whole), "events": events}


def _read_item(
    served: ServedCatalog, reader: RequestReader, request: ExplainRequest, query: Query | None, problems: list[Problem]
) -> int | None:
    """Return the index of the item, None after adding to `problems`; an item that is not allowed has no rank."""
    loc: list[str | int] = ["body", "item"]
    try:
        index = reader.find(request.item)
        served.generator.check_item(index)
    except DataError as error:
        problems.append(Problem(loc=loc, msg=str(error), type="unknown_item"))
        return None
    if query is not None and request.events and not _is_allowed(served, query, index):
        message = (
            f"{request.item!r} is not among the items that deny, allow, rules and exclude_seen leave, so it has no rank; "
            "change these, or set events: false"
        )
        problems.append(Problem(loc=loc, msg=message, type="not_allowed"))
        return None
    return index


def _is_allowed(served: ServedCatalog, query: Query, index: int) -> bool:
    (item_query,) = build_queries(
        [query.user.prompt], [query.excluded], [query.allowed], [query.rules], served.generator.columns
    )
    return item_query.allows(index)
