"""Collect feature words and tokenizer texts from training reviews, before examples are written.

Training reviews are those of training events. The workers count their buckets; the driver adds up the counts and keeps
a bounded sample of the texts, so its memory does not grow with the table.
"""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
import ray

from recsys_model.config.text import LanguageCode
from recsys_model.text.explanations import FeatureWords, WordCounts
from recsys_platform.data.sequences import iter_buckets
from recsys_platform.data.user_sequences import rank_of
from recsys_platform.splits import DatasetSplit

MAX_SAMPLES = 20_000
"""Reviews for the tokenizer; those of the smallest ranks, whatever the number of blocks."""
COUNT = pa.struct([("word", pa.string()), ("count", pa.int64())])
SAMPLE = pa.struct([("rank", pa.uint64()), ("text", pa.large_string())])
REVIEWS_SCHEMA = pa.schema(
    [
        ("num_reviews", pa.int64()),
        ("lowest_rating", pa.float64()),
        ("highest_rating", pa.float64()),
        ("occurrences", pa.list_(COUNT)),
        ("votes", pa.list_(COUNT)),
        ("samples", pa.list_(SAMPLE)),
    ]
)
"""One row a bucket."""


@dataclass(slots=True)
class Reviews:
    """Sums over all buckets."""

    num_reviews: int = 0
    """Training reviews that are not empty."""
    lowest_rating: float | None = None
    """Over all events, held-out ones included; None without a rating."""
    highest_rating: float | None = None
    """Over all events."""
    counts: WordCounts = field(default_factory=WordCounts)
    """Words of the training reviews."""
    samples: list[tuple[int, str]] = field(default_factory=list)
    """Rank and text of training reviews and their summaries, ascending."""

    def words(self, language: LanguageCode) -> FeatureWords:
        """Return the features of explanations in a language, the one that was counted in."""
        return FeatureWords(self.counts, language=language)


def survey_reviews(
    sequences: ray.data.Dataset, seed: int, dataset_split: DatasetSplit, language: LanguageCode = "en"
) -> Reviews:
    """Collect both in one pass over the sequences."""
    reviews = Reviews()
    ratings: list[float] = []
    look = partial(_survey_block, seed=seed, dataset_split=dataset_split, language=language)
    for row in sequences.map_batches(look, batch_size=None, batch_format="pyarrow").iter_rows():
        reviews.num_reviews += row["num_reviews"]
        ratings += [row[name] for name in ("lowest_rating", "highest_rating") if row[name] is not None]
        for name in ("occurrences", "votes"):
            getattr(reviews.counts, name).update({entry["word"]: entry["count"] for entry in row[name]})
        samples = [(sample["rank"], sample["text"]) for sample in row["samples"]]
        reviews.samples = heapq.nsmallest(MAX_SAMPLES, [*reviews.samples, *samples])
        ratings = [min(ratings), max(ratings)] if ratings else []
    if ratings:
        reviews.lowest_rating, reviews.highest_rating = min(ratings), max(ratings)
    return reviews


def _survey_block(block: pa.Table, seed: int, dataset_split: DatasetSplit, language: LanguageCode) -> pa.Table:
    rows = [_survey_bucket(users, seed, dataset_split, language) for _, users, _ in iter_buckets(block)]
    return pa.Table.from_pylist(rows, schema=REVIEWS_SCHEMA)


def _survey_bucket(users: pa.Table, seed: int, dataset_split: DatasetSplit, language: LanguageCode) -> dict[str, Any]:
    counts = WordCounts()
    samples: list[dict[str, Any]] = []
    ratings: list[float] = []
    num_reviews = 0
    for user in users.to_pylist():
        ratings += [rating for rating in user["ratings"] if rating is not None]
        for index, review, summary in _training_reviews(user, dataset_split):
            num_reviews += 1
            counts.add(review, language)
            rank = rank_of(seed, f"{user['user_id']}\x1f{index}")
            samples.append({"rank": rank, "text": f"{summary} {review}".strip()})
    return {
        "num_reviews": num_reviews,
        "lowest_rating": min(ratings, default=None),
        "highest_rating": max(ratings, default=None),
        "occurrences": _to_list(counts.occurrences),
        "votes": _to_list(counts.votes),
        "samples": heapq.nsmallest(MAX_SAMPLES, samples, key=lambda sample: sample["rank"]),
    }


def _training_reviews(user: dict[str, Any], dataset_split: DatasetSplit) -> Iterator[tuple[int, str, str]]:
    """Yield index, text and summary of the reviews of training events that are not empty."""
    reviews, summaries = user.get("reviews") or [], user.get("summaries") or []
    for index, review in enumerate(reviews[: dataset_split.num_training(user["timestamps"])]):
        if review:
            yield index, review, summaries[index] or ""


def _to_list(counts: Counter[str]) -> list[dict[str, Any]]:
    return [{"word": word, "count": count} for word, count in counts.items()]
