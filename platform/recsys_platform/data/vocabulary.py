"""The shop's vocabulary: items and users read whole, the tokenizer, and the catalogue of entities.

Items and users are held in memory by the driver; interactions never are.
"""

import dataclasses
import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys_model.entities.catalog import Catalog, build_catalog, make_unique_texts, texts_of_fields
from recsys_model.errors import DataError
from recsys_model.text.pretrained import load_pretrained_tokenizer
from recsys_model.text.task_sampling import trained_families
from recsys_model.text.textualize import FEATURE_SEPARATOR, FEATURES_OPENING, HISTORY_OPENING, SENTENCE_END
from recsys_model.text.tokenizer import Tokenizer, train_tokenizer
from recsys_platform.config.run import RunConfig
from recsys_platform.data import contract
from recsys_platform.data.contract import Items, Users
from recsys_platform.data.rejects import Reject, summarize
from recsys_platform.data.sources import read_whole
from recsys_platform.data.tables import Table, open_table
from recsys_platform.data.task_needs import check_columns

logger = logging.getLogger(__name__)

USED_ITEM_COLUMNS = (*contract.ITEM_REQUIRED, "brand", "categories")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tables:
    """The input tables, opened and their columns checked."""

    interactions: Table
    """User, item, time and what is optional."""
    items: Table
    """Id, title and what is optional."""
    users: Table | None
    """Id and features, if there is such a table."""
    features: tuple[str, ...]
    """The feature columns of `users` that the model is told."""


def open_tables(config: RunConfig) -> Tables:
    """Open all tables before any work starts.

    Raises:
        DataError: a table or one of its columns is missing, or a column that a setting needs.
    """
    interactions = open_table(
        "interactions", config.input.interactions, contract.INTERACTION_REQUIRED, contract.INTERACTION_OPTIONAL
    )
    items = open_table("items", config.input.items, contract.ITEM_REQUIRED, contract.ITEM_OPTIONAL)
    check_columns(config.tasks, interactions)
    needed = {"action": interactions, "rating": interactions, "categories": items}
    for name in config.text.behaviour_fields:
        table = needed.get(name)
        if table is not None and name not in table.columns:
            raise DataError(
                f"text.behaviour_fields names {name}, but input.{table.files.table}.path {table.files.path} has no "
                f"such column; map it in input.{table.files.table}.columns or take {name} out"
            )
    wanted = {*USED_ITEM_COLUMNS, *(("price",) if trained_families(config.tasks) else ()), *item_fields(config)}
    for name in item_fields(config):
        if name not in items.columns:
            logger.warning(
                "entity.fields names %s, but input.items.path %s has no such column; item vectors do without it",
                name,
                items.files.path,
            )
    used = {ours: theirs for ours, theirs in items.columns.items() if ours in wanted}
    users, features = _open_users(config)
    return Tables(
        interactions=interactions,
        items=dataclasses.replace(items, columns=used),
        users=users,
        features=features,
    )


def item_fields(config: RunConfig) -> tuple[str, ...]:
    """Return the texts that make the item vectors of the entity head; none without such a head."""
    return config.entity.fields if config.entity.enabled and config.entity.words else ()


def read_items(tables: Tables, max_reject_share: float) -> Items:
    """Read and judge the items.

    Raises:
        DataError: too many rejects, or nothing is left.
    """
    items = contract.check_items(read_whole(tables.items))
    _check_rejects("items", items.rejects, tables.items, max_reject_share)
    if not items.item_ids:
        raise DataError(f"input.items.path {tables.items.files.path} has no accepted row")
    return items


def read_users(tables: Tables, max_reject_share: float) -> Users:
    """Read and judge the users; without a users table there are none.

    Raises:
        DataError: too many rejects.
    """
    if tables.users is None:
        return Users()
    users = contract.check_users(read_whole(tables.users), tables.features)
    _check_rejects("users", users.rejects, tables.users, max_reject_share)
    return users


def build_vocabulary(
    config: RunConfig, items: Items, users: Users, features: Sequence[str], further_texts: Iterable[str] = ()
) -> tuple[Tokenizer, Catalog, int]:
    """Return the tokenizer, the catalogue, and the number of items whose text had to be made unique.

    A tokenizer that is trained here also reads `further_texts`: what questions and their answers are made of.
    """
    path = config.tokenizer.path
    published = None if path is None else load_pretrained_tokenizer(Path(path))
    key = str if published is None else lambda text: tuple(published.encode_entity(text))
    texts, num_changed = make_unique_texts(items.titles, items.brands, items.categories, items.item_ids, key)
    values = sorted({value for known in users.features for value in known.values()})
    corpus = itertools.chain(texts, values, _fixed_words(features), further_texts)
    tokenizer = published or train_tokenizer(
        corpus, config.tokenizer.vocab_size, merge_words=config.tokenizer.merge_words
    )
    catalog = build_catalog(items.item_ids, items.titles, texts, values, tokenizer, field_texts(config, items, texts))
    return tokenizer, catalog, num_changed


def field_texts(config: RunConfig, items: Items, texts: Sequence[str]) -> list[tuple[str, ...]] | None:
    """Return the texts of each item that make its vector, its unique text in place of a missing title."""
    fields = item_fields(config)
    if not fields:
        return None
    rows = zip(items.titles, texts, items.brands, items.categories, items.descriptions, strict=True)
    return [
        texts_of_fields(fields, title or text, brand, categories, description)
        for title, text, brand, categories, description in rows
    ]


def _open_users(config: RunConfig) -> tuple[Table | None, tuple[str, ...]]:
    """Open the users table with the configured features, or with all its columns."""
    wanted = config.input.user_features
    if config.input.users is None:
        if wanted:
            raise DataError(f"input.user_features names {list(wanted)}, but there is no input.users table")
        return None, ()
    table = open_table("users", config.input.users, (*contract.USER_REQUIRED, *(wanted or ())), None)
    features = tuple(name for name in table.columns if name not in contract.USER_REQUIRED) if wanted is None else wanted
    columns = {name: table.columns[name] for name in (*contract.USER_REQUIRED, *features)}
    return dataclasses.replace(table, columns=columns), features


def _check_rejects(name: str, rejects: Sequence[Reject], table: Table, max_share: float) -> None:
    summarize(rejects).check_share(name, table.num_rows, max_share)


def _fixed_words(features: Sequence[str]) -> Iterator[str]:
    """Return what the textualizer puts around entities."""
    yield from (FEATURES_OPENING, HISTORY_OPENING, SENTENCE_END, FEATURE_SEPARATOR)
    yield from features
