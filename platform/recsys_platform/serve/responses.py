"""Responses other than 200, and their descriptions for OpenAPI."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from fastapi.responses import JSONResponse
from ray.exceptions import RayActorError
from ray.serve.exceptions import DeploymentUnavailableError

from recsys_platform.serve.batching import QueueFullError
from recsys_platform.serve.gate.notes import current_notes
from recsys_platform.serve.item_schemas import EditNotWritten
from recsys_platform.serve.schemas import Problem, Rejection

RETRY_AFTER_S = 1
EDITS_ARE_OFF = "this endpoint's catalogue cannot be edited; serve it with --set serve.catalog_edits=true"

UNAVAILABLE: dict[int | str, dict[str, Any]] = {
    503: {"description": "No replica is ready yet; retry after the seconds in `Retry-After`."},
}
OVERLOADED: dict[int | str, dict[str, Any]] = {
    429: {"description": "The queue is full; retry after the seconds in `Retry-After`."},
    **UNAVAILABLE,
}
REJECTING: dict[int | str, dict[str, Any]] = {
    422: {"model": Rejection, "description": "The invalid fields, each with the rule that it breaks."},
    **OVERLOADED,
}
MISSING: dict[int | str, dict[str, Any]] = {
    404: {"description": "No item has this id; the answer says how to find it."},
    **REJECTING,
}
EDITING: dict[int | str, dict[str, Any]] = {
    403: {"description": "This endpoint does not allow edits; the answer names the setting that allows them."},
    **REJECTING,
    507: {"model": EditNotWritten, "description": "The edit could not be written to disk and was not made."},
}


def rejection_response(problems: Sequence[Problem]) -> JSONResponse:
    """Return the 422 response that lists all problems."""
    return JSONResponse(Rejection(detail=list(problems)).model_dump(), status_code=422)


def retry_response(status_code: int, reason: str) -> JSONResponse:
    """Return a 429 or 503 response that tells the client when to retry."""
    return JSONResponse({"detail": reason}, status_code=status_code, headers={"Retry-After": str(RETRY_AFTER_S)})


async def answer_or_unavailable(answer: Awaitable[Any]) -> Any:
    """Return the answer of the replica or of the keeper, or a 429 or 503 response if there is none."""
    # a Serve replica replaces FastAPI's exception handlers for these errors with its own
    try:
        result = await answer
        current_notes().note_answer(result)
        return result
    except asyncio.CancelledError:
        # cancelling the task alone would leave the call to the keeper running, for nobody
        cancel = getattr(answer, "cancel", None)
        if cancel is not None:
            cancel()
        raise
    except QueueFullError as error:
        return retry_response(429, f"the endpoint is overloaded: {error}")
    except (RayActorError, DeploymentUnavailableError) as error:
        return retry_response(503, f"the keeper of the catalogue was lost: {type(error).__name__}")


def rejected_or(answer: Any) -> Any:
    """Return the 422 response of a `Rejection`, any other answer as it is."""
    return rejection_response(answer.detail) if isinstance(answer, Rejection) else answer


def forbidden_response() -> JSONResponse:
    """Return the 403 response of an endpoint without catalogue edits."""
    return JSONResponse({"detail": EDITS_ARE_OFF}, status_code=403)


def edit_response(answer: Any) -> Any:
    """Return the answer to an edit, or the 422 or 507 response if it was refused."""
    if isinstance(answer, EditNotWritten):
        return JSONResponse(answer.model_dump(), status_code=507)
    return rejection_response(answer.detail) if isinstance(answer, Rejection) else answer


def not_found_response(reason: str) -> JSONResponse:
    """Return the 404 response with its reason."""
    return JSONResponse({"detail": reason}, status_code=404)
