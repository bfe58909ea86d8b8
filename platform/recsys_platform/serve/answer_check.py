"""Count the recommended items that break a rule which every answer keeps, whatever the model says."""

from recsys_platform.serve.schemas import RecommendRequest, RecommendResponse


def count_invalid(request: RecommendRequest, answer: RecommendResponse) -> int:
    """Return the number of items that are there twice, were denied by their id, or are more than `k`.

    The search cannot produce one. This is counted as a metric, so that a fault shows on a dashboard before a customer sees it.
    """
    ids = [item.id for item in answer.items]
    num_twice = len(ids) - len(set(ids))
    num_denied = len(set(ids) & set(request.deny))
    return num_twice + num_denied + max(0, len(ids) - request.k)
