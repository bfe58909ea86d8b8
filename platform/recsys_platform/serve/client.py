"""Ask a running endpoint, and say in words what went wrong when it does not answer."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from recsys_model.errors import DataError, RecsysError

RECOMMEND_PATH = "/v1/recommend"
ITEMS_PATH = "/v1/items"
ITEMS_PER_PAGE = 1_000
KEY_VARIABLE = "RECSYS_KEY"
"""Environment variable with the API key that requests are sent with; none without it."""


def ask(url: str, payload: dict[str, Any], timeout_s: float = 60.0) -> dict[str, Any]:
    """Post a request for recommendations to the endpoint at `url` and return its answer.

    Args:
        url: Base URL of the endpoint, for example `http://127.0.0.1:8000`.
        payload: Fields of `RecommendRequest` (`schemas.py`).
        timeout_s: Seconds to wait for the answer.

    Raises:
        DataError: The endpoint refuses the request; the message names every invalid field.
        RecsysError: The endpoint cannot be reached, is overloaded or failed.
    """
    return _send("POST", url, RECOMMEND_PATH, timeout_s, json=payload)


def edit_items(
    url: str, add: Sequence[Mapping[str, Any]] = (), remove: Sequence[str] = (), timeout_s: float = 60.0
) -> dict[str, Any]:
    """Add and remove items of the catalogue of the endpoint at `url` in one step; return its `EditAnswer`.

    Args:
        url: Base URL of the endpoint.
        add: New items: each has `id` and `title`, optionally `brand` and `categories`.
        remove: Item ids.
        timeout_s: Seconds to wait for the answer.

    Raises:
        DataError: The endpoint refuses the edit and names every invalid item, or does not allow edits.
        RecsysError: The endpoint cannot be reached, is overloaded or failed.
    """
    return _send("POST", url, ITEMS_PATH, timeout_s, json={"add": list(add), "remove": list(remove)})


def swap_items(url: str, items: Sequence[Mapping[str, Any]], timeout_s: float = 600.0) -> dict[str, Any]:
    """Replace the whole catalogue of the endpoint at `url` by `items`; arguments and errors as in `edit_items`."""
    return _send("PUT", url, ITEMS_PATH, timeout_s, json={"items": list(items)})


def list_items(url: str, timeout_s: float = 60.0) -> Iterator[dict[str, Any]]:
    """Yield the items of the catalogue of the endpoint at `url`, oldest first; errors as in `edit_items`."""
    after: int | None = None
    while True:
        params = {"limit": ITEMS_PER_PAGE} if after is None else {"limit": ITEMS_PER_PAGE, "after": after}
        page = _send("GET", url, ITEMS_PATH, timeout_s, params=params)
        yield from page["items"]
        after = page["next_after"]
        if after is None:
            return


def _send(method: str, url: str, path: str, timeout_s: float, **request: Any) -> dict[str, Any]:
    try:
        response = httpx.request(method, url.rstrip("/") + path, timeout=timeout_s, headers=_headers(), **request)
    except httpx.TimeoutException as error:
        raise RecsysError(f"the endpoint at {url} did not answer within {timeout_s:g} s; raise the timeout") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RecsysError(
            f"the endpoint at {url} cannot be reached: {error}; start it with `recsys serve CONFIG`"
        ) from error
    if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        raise DataError("the endpoint refuses the request:\n  " + "\n  ".join(describe_problems(response)))
    if response.status_code == httpx.codes.UNAUTHORIZED:
        raise DataError(f"the endpoint at {url} needs a valid API key; set the environment variable {KEY_VARIABLE}")
    if response.status_code == httpx.codes.FORBIDDEN:
        raise DataError(f"the endpoint at {url} refuses the request: {describe_refusal(response)}")
    if response.status_code in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
        wait = response.headers.get("Retry-After", "a few")
        raise RecsysError(f"the endpoint at {url} is overloaded or not ready; try again in {wait} seconds")
    if response.status_code != httpx.codes.OK:
        raise RecsysError(f"the endpoint at {url} answered {response.status_code}: {response.text[:500]}")
    return _read_json(url, response)


def _headers() -> dict[str, str]:
    key = os.environ.get(KEY_VARIABLE)
    return {"Authorization": f"Bearer {key}"} if key else {}


def describe_refusal(response: httpx.Response) -> str:
    """Return the reason in an error response.

    Example:
        >>> describe_refusal(httpx.Response(403, json={"detail": "edits are off"}))
        'edits are off'
    """
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text[:500]


def describe_problems(response: httpx.Response) -> list[str]:
    """Return one line `field: rule` for each problem of a 422 response.

    Example:
        >>> answer = {"detail": [{"loc": ["body", "history", 0, "item"], "msg": "unknown item", "type": "unknown_item"}]}
        >>> describe_problems(httpx.Response(422, json=answer))
        ['history.0.item: unknown item']
    """
    try:
        detail = response.json()["detail"]
        return [
            f"{'.'.join(str(part) for part in problem['loc'] if part != 'body')}: {problem['msg']}"
            for problem in detail
        ]
    except (ValueError, KeyError, TypeError):
        return [response.text[:500]]


def _read_json(url: str, response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError as error:
        raise RecsysError(_not_this_endpoint(url)) from error
    if not isinstance(answer, dict) or "items" not in answer:
        raise RecsysError(_not_this_endpoint(url))
    return answer


def _not_this_endpoint(url: str) -> str:
    return f"the answer of {url} is not one of `recsys serve`; check whether another program uses that port"
