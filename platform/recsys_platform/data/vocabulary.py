"""Build the shop's vocabulary: the tokenizer, and the catalogue of entities."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from recsys_model.entities.catalog import Catalog, build_catalog, make_unique_texts, texts_of_fields
from recsys_model.text.language import LANGUAGES, Language
from recsys_model.text.pretrained import load_pretrained_tokenizer
from recsys_model.text.tokenizer import Tokenizer, train_tokenizer
from recsys_platform.config.run import RunConfig
from recsys_platform.data.column_needs import item_fields
from recsys_platform.data.input.contract import Items, Users


def build_vocabulary(
    config: RunConfig, items: Items, users: Users, features: Sequence[str], further_texts: Iterable[str] = ()
) -> tuple[Tokenizer, Catalog, int]:
    """Return the tokenizer, the catalogue, and the number of items whose text had to be made unique.

    A tokenizer that is trained here also reads `further_texts`: the texts of questions and answers.
    """
    path = config.tokenizer.path
    published = None if path is None else load_pretrained_tokenizer(Path(path))
    key = str if published is None else lambda text: tuple(published.encode_entity(text))
    texts, num_changed = make_unique_texts(items.titles, items.brands, items.categories, items.item_ids, key)
    values = sorted({value for user_features in users.features for value in user_features.values()})
    corpus = itertools.chain(texts, values, _fixed_words(LANGUAGES[config.text.language], features), further_texts)
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


def _fixed_words(language: Language, features: Sequence[str]) -> Iterator[str]:
    """Yield the words that the textualizer puts around entities."""
    yield from language.fixed_words()
    yield from features
