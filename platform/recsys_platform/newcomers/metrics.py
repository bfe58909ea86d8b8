"""From answers to figures: recall of the new items, how often they are shown, what other users lose.

Shape suffixes: U = users.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsys_model.evaluation.intervals import bootstrap_mean
from recsys_model.evaluation.metrics import LARGEST_K, measure_difference, rank_in
from recsys_model.evaluation.metrics import measure as measure_ranks
from recsys_platform.evaluate.report.measured import MeasuredValue, measured_values
from recsys_platform.newcomers.measuring import ItemIdLists, Measured, Timing
from recsys_platform.newcomers.requests import Visit, Visits


def ranks_of(visits: Sequence[Visit], answers: ItemIdLists) -> np.ndarray:
    """Return the rank of each user's next item in the answer (U), 0 where it is absent."""
    return np.array([rank_in(items, visit.target_item) for visit, items in zip(visits, answers, strict=True)])


def chance_of(visits: Sequence[Visit], num_items: int) -> float:
    """Return the HR@10 of ten different items drawn at random from those that may be recommended to each user.

    Example:
        >>> visit = Visit(user_id="u", is_new=True, target_item="n", num_seen=10, payload={})
        >>> chance_of([visit], num_items=110), chance_of([visit], num_items=15)
        (0.1, 1.0)
    """
    return float(np.mean([min(1.0, LARGEST_K / max(1, num_items - visit.num_seen)) for visit in visits]))


def build_figures(
    visits: Visits, measured: Measured, new_ids: Sequence[str], *, num_samples: int, seed: int
) -> dict[str, Any]:
    """Return all figures, measured ones with their intervals; `json_format.to_json` makes plain JSON of them.

    Args:
        visits: The users, at least one whose next item is new.
        measured: What the endpoint answered.
        new_ids: Ids of the new items.
        num_samples: Resamples of the users for the intervals.
        seed: Of the resamples.
    """
    sampling = {"num_samples": num_samples, "seed": seed}
    timing, num_new = measured.timing, len(new_ids)
    return {
        "items": {"new": num_new, "all": timing.items, "new_share": num_new / timing.items},
        "users": _users(visits),
        "seconds": _seconds(timing),
        "recall": {
            "after": measured_values(measure_ranks(ranks_of(visits.of_new, measured.after), **sampling)),
            "before": measured_values(measure_ranks(ranks_of(visits.of_new, measured.before), **sampling)),
            "chance_hr_at_10": chance_of(visits.of_new, timing.items),
        },
        "among_new": {
            "metrics": measured_values(measure_ranks(ranks_of(visits.of_new, measured.among_new), **sampling)),
            # no new item is in a history
            "chance_hr_at_10": min(1.0, LARGEST_K / num_new),
        },
        "shown": {
            "of_new": _exposure(measured.after, new_ids, sampling),
            "others": _exposure(measured.others_after, new_ids, sampling) if visits.others else None,
        },
        "others": _others(visits.others, measured, sampling) if visits.others else None,
    }


def _users(visits: Visits) -> dict[str, int]:
    """Return the number of users of each kind, evaluated and in the dataset."""
    return {
        "of_new": len(visits.of_new),
        "of_new_in_dataset": visits.num_of_new,
        "others": len(visits.others),
        "others_in_dataset": visits.num_others,
    }


def _seconds(timing: Timing) -> dict[str, Any]:
    """Return the seconds until the new items were served, and the replicas that have them."""
    return {
        "all_replicas": timing.all_replicas_s,
        "first_shown": timing.first_shown_s,
        "replicas": timing.replicas,
        "pending": timing.pending,
    }


def _exposure(answers: ItemIdLists, new_ids: Sequence[str], sampling: dict[str, int]) -> dict[str, Any]:
    """Return the share of shown places that new items hold, of users who see one, and of new items that anybody sees."""
    new = set(new_ids)
    share_U = np.array([sum(item in new for item in items) / max(1, len(items)) for items in answers])
    seen = {item for items in answers for item in items} & new
    return {
        "place_share": MeasuredValue.of(bootstrap_mean(share_U, **sampling)),
        "user_share": MeasuredValue.of(bootstrap_mean((share_U > 0).astype(np.float64), **sampling)),
        "item_share": len(seen) / len(new),
    }


def _others(visits: Sequence[Visit], measured: Measured, sampling: dict[str, int]) -> dict[str, Any]:
    """Return the figures of users whose next item is known, before and after the new items came."""
    before, after = ranks_of(visits, measured.others_before), ranks_of(visits, measured.others_after)
    return {
        "before": measured_values(measure_ranks(before, **sampling)),
        "after": measured_values(measure_ranks(after, **sampling)),
        "difference": measured_values(measure_difference(after, before, **sampling)),
    }
