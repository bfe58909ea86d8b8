"""Build the shop's vocabulary: the tokenizer, and the catalogue of entities."""

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys_model.config import TextConfig
from recsys_model.entities.catalog import Catalog, build_catalog, make_unique_texts, texts_of_fields
from recsys_model.errors import DataError
from recsys_model.text.language import LANGUAGES, Language
from recsys_model.text.pretrained import load_pretrained_tokenizer
from recsys_model.text.textualize import NUM_FRAME_TOKENS, history_opening
from recsys_model.text.tokenizer import Tokenizer, train_tokenizer
from recsys_platform.config.run import RunConfig
from recsys_platform.data.column_needs import item_fields
from recsys_platform.data.input.contract import Items, Users

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """What turns items and values into tokens."""

    tokenizer: Tokenizer
    """Trained here, or of a published model."""
    catalog: Catalog
    """Items and attributes."""
    num_made_unique: int
    """Items whose text had to be extended."""
    num_cut: int
    """Items whose title was longer than a text."""


def build_vocabulary(
    config: RunConfig, items: Items, users: Users, features: Sequence[str], further_texts: Iterable[str] = ()
) -> Vocabulary:
    """Return the tokenizer and the catalogue; titles that are longer than a text are cut, also in `items`.

    A tokenizer that is trained here also reads `further_texts`: the texts of questions and answers.

    Raises:
        DataError: an item has a text that does not fit although its title was cut.
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
    num_cut = cut_titles(items, tokenizer, config.text)
    if num_cut:
        texts, num_changed = make_unique_texts(items.titles, items.brands, items.categories, items.item_ids, key)
    catalog = build_catalog(items.item_ids, items.titles, texts, values, tokenizer, field_texts(config, items, texts))
    _refuse_long_items(catalog, tokenizer, config.text)
    return Vocabulary(tokenizer=tokenizer, catalog=catalog, num_made_unique=num_changed, num_cut=num_cut)


def cut_titles(items: Items, tokenizer: Tokenizer, text: TextConfig) -> int:
    """Cut titles that leave no room for anything else in a text to half of it; return how many were cut."""
    longest = longest_item(tokenizer, text)
    num_cut = 0
    for place, title in enumerate(items.titles):
        may_be_long = len(title.encode()) >= longest  # a token has at least one byte
        if may_be_long and len(tokenizer.encode_entity(title)) > longest:
            items.titles[place] = first_words(title, tokenizer, longest // 2)
            num_cut += 1
            if num_cut == 1:
                logger.warning(
                    "item %s has a title of more than %d tokens, which is longer than a text; such titles are cut: %s ...",
                    items.item_ids[place],
                    longest,
                    items.titles[place][:80],
                )
    return num_cut


def longest_item(tokenizer: Tokenizer, text: TextConfig) -> int:
    """Return how many tokens an item may have to fit into a text next to its frame and opening."""
    opening = tokenizer.encode_text(history_opening(LANGUAGES[text.language], is_first=False))
    return text.max_tokens - NUM_FRAME_TOKENS - len(opening)


def first_words(text: str, tokenizer: Tokenizer, num_tokens: int) -> str:
    """Return the beginning of a text with at most so many tokens, whole words where it has blanks."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        is_short = len(tokenizer.encode_entity(text[:middle].rstrip())) <= num_tokens
        low, high = (middle, high) if is_short else (low, middle - 1)
    words = text[:low].rsplit(maxsplit=1)
    ends_inside = low < len(text) and not text[low].isspace()
    return (words[0] if ends_inside and len(words) == 2 else text[:low]).rstrip()


def _refuse_long_items(catalog: Catalog, tokenizer: Tokenizer, text: TextConfig) -> None:
    longest = longest_item(tokenizer, text)
    too_long = [item for item in catalog.items if len(item.token_ids) > longest]
    if too_long:
        item = max(too_long, key=lambda each: len(each.token_ids))
        raise DataError(
            f"text.max_tokens is {text.max_tokens}, too small for {len(too_long)} items, which may have {longest} tokens: item "
            f"{item.item_id} has {len(item.token_ids)}, its text is {item.text[:80]!r}; shorten its title and brand, or raise "
            "text.max_tokens"
        )


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
