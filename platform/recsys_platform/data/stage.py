"""The data stage: tables in, dataset artifact out.

    interactions -> check -> shuffle by user -> sequences -> examples, interactions, rejects (one file per bucket)
    items, users -> catalogue, tokenizer, features
    sequences -> leak checks, ties in time
    sequences -> feature words of training reviews, if the run has tasks
    new items (`data.new_items`) -> removed from all of these, written separately

Memory does not grow with the interactions: they stream through Ray Data, whose shuffle spills to disk.
"""

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray

from recsys_model.errors import DataError
from recsys_model.text.language import LANGUAGES
from recsys_model.text.task_sampling import trained_families
from recsys_platform.artifacts import refuse_to_overwrite, write_artifact
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.data.column_needs import open_tables
from recsys_platform.data.context import plain_errors, ray_data_settings
from recsys_platform.data.example_counts import count_examples, refuse_short_sequences
from recsys_platform.data.input.contract import Items, Users, bucket_of
from recsys_platform.data.input.datasets import count_in_tasks
from recsys_platform.data.input.importers.importing import resolve_input
from recsys_platform.data.input.occurring import find_item_ids, read_occurring_items, restrict_items
from recsys_platform.data.input.open import Tables, read_items, read_users
from recsys_platform.data.input.rejects import build_reject_table, summarize
from recsys_platform.data.item_columns import build_item_columns
from recsys_platform.data.leak_search import find_leaks
from recsys_platform.data.leaks import refuse_leaks
from recsys_platform.data.new_item_requests import RequestSettings, write_new_items
from recsys_platform.data.new_items import count_new_events, drop_new_events, hold_out
from recsys_platform.data.reviews import Reviews, survey_reviews
from recsys_platform.data.sequences import build_sequences, count_buckets, count_partitions
from recsys_platform.data.survey import Survey, survey_sequences
from recsys_platform.data.survey_checks import check_survey
from recsys_platform.data.task_needs import check_ratings, count_tasks, keeps_reviews, needs_ratings
from recsys_platform.data.task_texts import iter_task_texts
from recsys_platform.data.temporal_split import find_split
from recsys_platform.data.text_notes import text_notes
from recsys_platform.data.tie_findings import describe_ties
from recsys_platform.data.unknown_ids import warn_of_added_items
from recsys_platform.data.vocabulary import Vocabulary, build_vocabulary, cut_titles
from recsys_platform.data.writing import BucketWriter, Shared, write_table
from recsys_platform.file_names import TOKENIZER_FOLDER
from recsys_platform.item_columns_file import write_columns
from recsys_platform.splits import DatasetSplit
from recsys_platform.task_columns import write_item_facts

logger = logging.getLogger(__name__)

SETTINGS_NAME = "settings.json"


def run_data(config: RunConfig, *, overwrite: bool = False) -> dict[str, Any]:
    """Turn the tables of a run into its dataset artifact.

    Args:
        config: The run.
        overwrite: Whether an existing dataset may be replaced.

    Returns:
        `{"dataset": folder, "counts": ..., "seconds": ...}`.

    Raises:
        DataError: the input breaks its contract or reveals test targets; no file is left.
        CheckpointError: the dataset exists and must not be overwritten.
    """
    started = time.monotonic()
    refuse_to_overwrite(config.dataset_folder, overwrite=overwrite)
    with ray_data_settings(), plain_errors():
        resolved, source = resolve_input(config)
        tables = open_tables(resolved, count_in_tasks)
        with write_artifact(config.dataset_folder, "dataset", config_to_dict(config), overwrite=overwrite) as (
            folder,
            counts,
        ):
            counts.update(_write_dataset(resolved, tables, folder))
            counts["input"] = source.to_dict() | {"notes": [*source.notes, *tables.notes]}
    seconds = round(time.monotonic() - started, 1)
    logger.info("dataset %s written in %.1f s", config.dataset_folder, seconds)
    return {"dataset": str(config.dataset_folder), "counts": counts, "seconds": seconds}


def _write_dataset(config: RunConfig, tables: Tables, folder: Path) -> dict[str, Any]:
    """Write everything but the manifest and return the counts."""
    items, restriction_counts = _read_items(config, tables)
    items, new_items = hold_out(items, config.data.new_items, config.seed)
    users = read_users(tables, config.input.max_reject_share)
    logger.info("%d items and %d rows of users accepted", len(items.item_ids), len(users.user_ids))
    all_sequences = _build_all_sequences(config, tables, [*items.item_ids, *new_items.item_ids])
    sequences, num_new_events = all_sequences, 0
    if new_items.item_ids:
        sequences = drop_new_events(all_sequences, len(items.item_ids)).materialize()
        num_new_events = count_new_events(all_sequences, len(items.item_ids))
    dataset_split = find_split(sequences, config.data)
    features = _put_features(users, count_buckets(tables.interactions.num_rows))
    survey = survey_sequences(sequences, config, dataset_split, items.item_ids, features)
    check_survey(survey, config.input, tables, items.item_ids, users.user_ids, num_new_events)
    refuse_short_sequences(survey, config.data, dataset_split)
    reviews = _survey_reviews(config, sequences, dataset_split) if trained_families(config.tasks) else None
    vocabulary = _write_vocabulary(config, tables, items, users, folder, reviews)
    catalog = vocabulary.catalog
    leaks = find_leaks(sequences, catalog, features, tables.features, config.data.min_user_interactions, dataset_split)
    refuse_leaks(leaks, config.data.max_leak_share)
    words = None if reviews is None else reviews.words(config.text.language)
    shared = Shared(catalog=catalog, item_categories=items.categories, words=words, dataset_split=dataset_split)
    written = _write_buckets(config, folder, sequences, shared, features, survey.max_eval_rank)
    counts = _count(items, users, survey) | {
        "examples": count_examples(written, survey, config.data, dataset_split),
        "events_too_long": sum(row["events_too_long"] for row in written),
        "texts_made_unique": vocabulary.num_made_unique,
        "titles_cut": vocabulary.num_cut,
        "text_notes": text_notes(vocabulary.tokenizer, catalog, config.text.language),
        "leaks": [finding.to_dict() for finding in leaks],
        "split": dataset_split.to_dict(),
        "ties": describe_ties(survey.ties, config.data.tie_order, config.seed),
    }
    if reviews is not None:
        counts["tasks"] = count_tasks(config.tasks, config.text.language, reviews, written)
    if new_items.item_ids:
        cut_titles(new_items, vocabulary.tokenizer, config.text)
        settings = _request_settings(config, items, new_items, dataset_split)
        counts["new_items"] = write_new_items(folder, new_items, all_sequences, settings, features)
    return counts | restriction_counts


def _build_all_sequences(config: RunConfig, tables: Tables, item_ids: Sequence[str]) -> ray.data.Dataset:
    """Check, shuffle and order the interactions; the sequences stay in the object store for several passes."""
    named = "rating" in config.text.behaviour_fields or "rating" in config.input.interactions.columns
    return build_sequences(
        tables.interactions,
        item_ids,
        config.data.num_blocks or count_partitions(tables.interactions.num_rows, _num_cpus()),
        uses_rating=named or needs_ratings(config.tasks),
        keeps_reviews=keeps_reviews(config.tasks, tables.interactions),
        tie_seed=config.seed if config.data.tie_order == "seeded" else None,
    ).materialize()


def _write_buckets(
    config: RunConfig,
    folder: Path,
    sequences: ray.data.Dataset,
    shared: Shared,
    features: dict[int, ray.ObjectRef],
    max_eval_rank: int | None,
) -> list[dict[str, Any]]:
    """Write interactions, rejects and examples of all buckets; return one row of `WRITTEN_SCHEMA` a bucket."""
    return sequences.map_batches(
        BucketWriter,
        fn_constructor_args=(config, str(folder), ray.put(shared), features, max_eval_rank),
        batch_size=None,
        batch_format="pyarrow",
        zero_copy_batch=True,
        compute=_one_actor_per_cpu(sequences.num_blocks()),
    ).take_all()


def _request_settings(
    config: RunConfig, items: Items, new_items: Items, dataset_split: DatasetSplit
) -> RequestSettings:
    return RequestSettings(
        item_ids=(*items.item_ids, *new_items.item_ids),
        num_known=len(items.item_ids),
        categories=tuple(names[-1] if names else None for names in items.categories),
        dataset_split=dataset_split,
        min_interactions=config.data.min_user_interactions,
    )


def _read_items(config: RunConfig, tables: Tables) -> tuple[Items, dict[str, int]]:
    """Return the items of the catalogue, and counts of what `input.catalog` changed in the table."""
    if tables.items_from_interactions:
        items, num_ambiguous = read_occurring_items(tables.items)
        if not items.item_ids:
            raise DataError(f"{tables.items.files.where} has no item")
        return items, {"items_with_several_titles": num_ambiguous, "items_without_title": items.titles.count("")}
    items = read_items(tables, config.input.max_reject_share)
    if config.input.catalog == "items":
        return items, {}
    table_ids = set(items.item_ids)
    items, num_unused, num_added = restrict_items(items, find_item_ids(tables.interactions))
    warn_of_added_items((item_id for item_id in items.item_ids if item_id not in table_ids), table_ids)
    return items, {"items_left_out": num_unused, "items_without_row": num_added}


def _survey_reviews(config: RunConfig, sequences: ray.data.Dataset, dataset_split: DatasetSplit) -> Reviews:
    reviews = survey_reviews(sequences, config.seed, dataset_split, config.text.language)
    check_ratings(config.tasks, reviews.lowest_rating, reviews.highest_rating)
    logger.info(
        "%d training reviews, %d feature words", reviews.num_reviews, len(reviews.words(config.text.language).votes)
    )
    return reviews


def _write_vocabulary(
    config: RunConfig, tables: Tables, items: Items, users: Users, folder: Path, reviews: Reviews | None
) -> Vocabulary:
    """Write tokenizer, catalogue, columns for rules, settings and the rejects of items and users; for tasks, the facts about items."""
    texts = () if reviews is None else iter_task_texts(LANGUAGES[config.text.language], reviews, items)
    vocabulary = build_vocabulary(config, items, users, tables.features, texts)
    if reviews is not None:
        write_item_facts(folder, items.categories, items.brands, items.prices)
    vocabulary.tokenizer.write(folder / TOKENIZER_FOLDER)
    vocabulary.catalog.write(folder)
    write_columns(folder, build_item_columns(items))
    settings = {"user_features": list(tables.features)}
    (folder / SETTINGS_NAME).write_text(json.dumps(settings, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for name, rejects in (("items", items.rejects), ("users", users.rejects)):
        write_table(folder / "rejects" / f"{name}.parquet", build_reject_table(name, rejects))
    return vocabulary


def _put_features(users: Users, num_buckets: int) -> dict[int, ray.ObjectRef]:
    """Put the features of each bucket's users into the object store, so that a writer fetches only its own."""
    buckets: dict[int, dict[str, dict[str, str]]] = {}
    for user_id, features in zip(users.user_ids, users.features, strict=True):
        buckets.setdefault(bucket_of(user_id, num_buckets), {})[user_id] = features
    return {bucket: ray.put(features) for bucket, features in buckets.items()}


def _one_actor_per_cpu(num_blocks: int) -> ray.data.ActorPoolStrategy:
    """Return a pool that grows to all CPUs, but to no more actors than there are blocks."""
    return ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, min(_num_cpus(), num_blocks)))


def _num_cpus() -> int:
    return int(ray.cluster_resources().get("CPU", 1))


def _count(items: Items, users: Users, survey: Survey) -> dict[str, Any]:
    rejects = {
        "interactions": survey.rejects.counts,
        "items": summarize(items.rejects).counts,
        "users": summarize(users.rejects).counts,
    }
    return {
        "users": survey.num_users,
        "items": len(items.item_ids),
        "interactions": survey.num_interactions,
        "users_too_short": survey.num_short_users,
        "users_with_features": len(users.user_ids),
        "rejects": {table: dict(sorted(counts.items())) for table, counts in rejects.items()},
    }
