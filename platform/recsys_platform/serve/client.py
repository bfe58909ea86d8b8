"""Ask a running endpoint, and say in words what went wrong when it does not answer."""

from typing import Any

import httpx

from recsys_model.errors import DataError, RecsysError

RECOMMEND_PATH = "/v1/recommend"


def ask(url: str, payload: dict[str, Any], timeout_s: float = 60.0) -> dict[str, Any]:
    """Post a request to the endpoint at `url` and return its answer.

    Raises:
        DataError: the endpoint refuses the request; every field that is wrong is named.
        RecsysError: the endpoint cannot be reached, is overloaded or failed.
    """
    try:
        response = httpx.post(url.rstrip("/") + RECOMMEND_PATH, json=payload, timeout=timeout_s)
    except httpx.TimeoutException as error:
        raise RecsysError(f"the endpoint at {url} did not answer within {timeout_s:g} s; raise the timeout") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RecsysError(
            f"the endpoint at {url} cannot be reached: {error}; start it with `recsys serve CONFIG`"
        ) from error
    if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        raise DataError("the endpoint refuses the request:\n  " + "\n  ".join(describe_problems(response)))
    if response.status_code in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
        wait = response.headers.get("Retry-After", "a few")
        raise RecsysError(f"the endpoint at {url} cannot take the request now; try again in {wait} seconds")
    if response.status_code != httpx.codes.OK:
        raise RecsysError(f"the endpoint at {url} answered {response.status_code}: {response.text[:500]}")
    return _read_json(url, response)


def describe_problems(response: httpx.Response) -> list[str]:
    """Return one line `field: rule` for each problem of a 422 answer.

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
        raise RecsysError(f"{url} does not answer like this endpoint; is another program on that port?") from error
    if not isinstance(answer, dict) or "items" not in answer:
        raise RecsysError(f"{url} does not answer like this endpoint; is another program on that port?")
    return answer
