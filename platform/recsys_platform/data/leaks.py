"""Check whether the input reveals test targets (leaks).

A case is a user's test target and the events before it. The checks:

- the target in its own input: a feature of the user that names it, or the same item at the same time in the history;
- items numbered in the order in which the sequences visit them, so that the next one is the number after the last
  (the numbers of P5); certain if the texts of the model have the numbers, else only a note;
- events of the history that happened after the target;
- the same example, items and times, in training, from a user under another id.

A feature or a number may match by chance. The expected number of matches, with targets permuted among the cases, is
`sum over items of claims(item) * targets(item) / cases`. Only the excess over it by more than three standard deviations
counts.

Shape suffixes: C = cases, F = features of users, N = items of the catalogue.
"""

import hashlib
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_model.errors import DataError
from recsys_platform.data.numbered_items import ItemIndices, claim_next_numbers
from recsys_platform.splits import DatasetSplit

CASES_SCHEMA = pa.schema(
    [
        ("previous_item", pa.int32()),
        ("target_item", pa.int32()),
        ("repeats_event", pa.bool_()),
        ("knows_future", pa.bool_()),
        ("example", pa.uint64()),
        ("named_items", pa.list_(pa.int32())),
    ]
)
"""One row a case: 8-byte hash of the example; for each feature the unseen item that it names, -1 for none."""
SHOWN_SHARE = 0.001
"""Share of the cases above which a finding is shown on the terminal."""
NUM_DEVIATIONS = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    """Name of the check, and of its feature, if any."""
    cases: int
    """Affected cases."""
    expected: float
    """Expected cases by chance."""
    num_cases: int
    """All cases."""
    is_certain: bool
    """Whether the model would see it; otherwise it is only a note."""
    meaning: str
    """Description of the result."""

    @property
    def share(self) -> float:
        """Share of the cases beyond chance, at least 0."""
        excess = self.cases - self.expected - NUM_DEVIATIONS * math.sqrt(self.expected)
        return max(0.0, excess) / max(1, self.num_cases)

    def __str__(self) -> str:
        chance = f", by chance {self.expected:.1f}" if self.expected > 0 else ""
        kind = "leak" if self.is_certain else "note"
        return f"{kind} {self.check}: {self.meaning} in {self.cases} of {self.num_cases} test cases{chance}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        return asdict(self) | {
            "expected": round(self.expected, 3),
            "share": round(self.share, 6),
            "is_shown": self.share > SHOWN_SHARE,
            "text": str(self),
        }


def collect_cases(
    users: pa.Table,
    features: Mapping[str, Mapping[str, str]],
    feature_names: Sequence[str],
    name_to_item: Mapping[str, int],
    min_interactions: int,
    dataset_split: DatasetSplit,
) -> pa.Table:
    """Return the facts of each user's test case that the checks need.

    Args:
        users: Columns user_id, items and timestamps, events in order.
        features: User id -> feature -> value.
        feature_names: Features in the order of `named_items`.
        name_to_item: Texts that name one item -> its catalogue index.
        min_interactions: Users with fewer events have no case.
        dataset_split: Decides which event is the target; later events are ignored.

    Returns:
        A table in the layout of `CASES_SCHEMA`.
    """
    rows = []
    for user_id, all_items, all_times in _iter_sequences(users, min_interactions):
        index = dataset_split.target(all_times, "test")
        if index is None:
            continue
        user_features = features.get(user_id, {})
        named = [name_to_item.get(user_features.get(name, ""), -1) for name in feature_names]
        rows.append(_case_row(all_items[: index + 1], all_times[: index + 1], named))
    return pa.Table.from_pylist(rows, schema=CASES_SCHEMA)


def _case_row(items: list[int], times: list[float], named_items: list[int]) -> dict[str, Any]:
    """Return a row of `CASES_SCHEMA` for events whose last one is the target."""
    target, time, history = items[-1], times[-1], items[:-1]
    return {
        "previous_item": history[-1],
        "target_item": target,
        "repeats_event": (target, time) in zip(history, times, strict=False),
        "knows_future": max(times) > time,
        "example": list(_hash_prefixes(items, times))[-1],
        "named_items": [-1 if item in history else item for item in named_items],
    }


def find_trained_on(
    users: pa.Table, test_examples: npt.NDArray[np.uint64], min_interactions: int, dataset_split: DatasetSplit
) -> pa.Array:
    """Return the hashes of test examples that are also training examples of these users.

    Args:
        users: As for `collect_cases`.
        test_examples: Hashes of all test examples, ascending.
        min_interactions: As for `collect_cases`.
        dataset_split: Decides which events train.
    """
    hashes = [
        prefix
        for _, items, times in _iter_sequences(users, min_interactions)
        # a training target needs an event before it
        for prefix in list(_hash_prefixes(items, times))[1 : dataset_split.num_training(times)]
    ]
    distinct = np.unique(np.array(hashes, dtype=np.uint64))
    return pa.array(distinct[np.isin(distinct, test_examples)], pa.uint64())


def judge_cases(
    cases: pa.Table,
    trained_on: npt.NDArray[np.uint64],
    item_ids: Sequence[str],
    item_texts: Sequence[str],
    feature_names: Sequence[str],
) -> list[Finding]:
    """Return the finding of every check, including empty ones.

    Args:
        cases: All cases, in the layout of `CASES_SCHEMA`.
        trained_on: Hashes of test examples that occur in training.
        item_ids: Id of each item of the catalogue (N).
        item_texts: Text of each item in the texts of the model (N).
        feature_names: Features in the order of `named_items` (F).
    """
    target_C = _column(cases, "target_item")
    previous_C = _column(cases, "previous_item")
    named_CF = np.array(cases["named_items"].to_pylist(), dtype=np.int64).reshape(len(target_C), len(feature_names))
    findings = [
        _judge_claims(f"target_in_feature {name}", claimed_C, target_C, "a feature of the user names the target")
        for name, claimed_C in zip(feature_names, named_CF.T, strict=True)
    ]
    findings.append(_judge_flags("target_in_history", cases["repeats_event"], "the history has the target at its time"))
    for check, names, is_certain in (("numbered_texts", item_texts, True), ("numbered_ids", item_ids, False)):
        claimed_C = claim_next_numbers(names, previous_C)
        meaning = (
            f"the target is the item numbered after the last one, by {'what the model reads' if is_certain else 'ids'}"
        )
        findings.append(_judge_claims(check, claimed_C, target_C, meaning, is_certain=is_certain))
    findings.append(_judge_flags("future_in_history", cases["knows_future"], "the history has events after the target"))
    is_trained_C = pa.array(np.isin(cases["example"].to_numpy(), trained_on))
    meaning = "another user's training example is the same, items and times,"
    return [*findings, _judge_flags("test_example_in_train", is_trained_C, meaning)]


def refuse_leaks(findings: Sequence[Finding], max_share: float) -> None:
    """Raise if a certain leak affects more than `max_share` of the cases.

    Raises:
        DataError: with every such leak.
    """
    leaks = [finding for finding in findings if finding.is_certain and finding.share > max_share]
    if leaks:
        lines = "".join(f"\n  {finding}" for finding in leaks)
        raise DataError(
            f"the input gives test targets away, more than data.max_leak_share {max_share:.1%} allows:{lines}\n"
            "Correct the tables (features: input.user_features; numbers: titles, or datamaps.json), or raise "
            "data.max_leak_share. Nothing was written"
        )


def _judge_claims(
    check: str, claimed_C: ItemIndices, target_C: ItemIndices, meaning: str, *, is_certain: bool = True
) -> Finding:
    num_items = int(max(claimed_C.max(initial=0), target_C.max(initial=0))) + 1
    claims_N = np.bincount(claimed_C[claimed_C >= 0], minlength=num_items)
    targets_N = np.bincount(target_C, minlength=num_items)
    return Finding(
        check=check,
        cases=int((claimed_C == target_C).sum()),
        expected=float(claims_N @ targets_N) / max(1, len(target_C)),
        num_cases=len(target_C),
        is_certain=is_certain,
        meaning=meaning,
    )


def _judge_flags(check: str, flag_C: pa.Array | pa.ChunkedArray, meaning: str) -> Finding:
    num_flagged = int(np.count_nonzero(flag_C.to_numpy(zero_copy_only=False)))
    return Finding(
        check=check, cases=num_flagged, expected=0.0, num_cases=len(flag_C), is_certain=True, meaning=meaning
    )


def _column(cases: pa.Table, name: str) -> ItemIndices:
    return cases[name].to_numpy().astype(np.int64)


def _iter_sequences(users: pa.Table, min_interactions: int) -> Iterator[tuple[str, list[int], list[float]]]:
    columns = (users[name].to_pylist() for name in ("user_id", "items", "timestamps"))
    for user_id, items, times in zip(*columns, strict=True):
        if len(items) >= min_interactions:
            yield user_id, items, times


def _hash_prefixes(items: Sequence[int], times: Sequence[float]) -> Iterator[int]:
    """Yield the hash of the first event, of the first two, ... and of all events."""
    digest = hashlib.blake2b(digest_size=8)
    for item, time in zip(items, times, strict=True):
        digest.update(struct.pack("<qd", item, time))
        yield int.from_bytes(digest.copy().digest(), "little")
