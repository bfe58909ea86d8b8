"""Make the texts of items unique, since items may share a title.

Only parts that differ are appended, in a fixed order: brand, last category, short id.
The result depends on the set of items, not on their order.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence

from recsys_model.errors import DataError

MAX_READABLE_ID = 12
"""An item id up to this many characters is appended as it is, a longer one as a hash."""
MAX_DIGESTS = 8
"""Times that a hash is appended to texts that stay equal."""


def fold_whitespace(text: str) -> str:
    r"""Strip `text` and make every run of white space in it one blank.

    >>> fold_whitespace("  Hand\tCream  2 oz ")
    'Hand Cream 2 oz'
    """
    return " ".join(text.split())


def make_unique_texts(
    titles: Sequence[str],
    brands: Sequence[str | None],
    categories: Sequence[Sequence[str]],
    item_ids: Sequence[str],
    key: Callable[[str], Hashable] = str,
) -> tuple[list[str], int]:
    """Return one text per item, all different, and the number of texts that had to be extended.

    A text is the title with its white space folded; an empty title is replaced by brand and last category,
    or by the id. Texts that are equal are extended by whatever differs between them, until all are different.
    A replaced title counts only if the replacement had to be extended too. Texts are equal if their `key` is: a
    tokenizer that puts text in lower case cannot tell "Red Tent" and "red tent" apart.

    Raises:
        DataError: the arguments differ in length, or an item id occurs twice.

    >>> make_unique_texts(["Comb", "Comb", " Comb  2"], ["Ada", "Bo", None], [[], [], []], ["a", "b", "c"])
    (['Comb (Ada)', 'Comb (Bo)', 'Comb 2'], 2)
    """
    _check_arguments(titles, brands, categories, item_ids)
    brand_texts = [fold_whitespace(brand or "") for brand in brands]
    category_texts = [fold_whitespace(names[-1]) if names else "" for names in categories]
    short_ids = [_short_id(item_id) for item_id in item_ids]
    rows = zip(titles, brand_texts, category_texts, short_ids, strict=True)
    plain_texts = [
        fold_whitespace(title) or " ".join(filter(None, (brand, category))) or short_id
        for title, brand, category, short_id in rows
    ]
    texts = list(plain_texts)
    for suffixes in (brand_texts, category_texts, short_ids):
        _extend_equal_texts(texts, suffixes, key)
    digests = [_digest(item_id, size=16) for item_id in item_ids]
    for _ in range(MAX_DIGESTS):
        if not _extend_equal_texts(texts, digests, key):
            break
    return texts, sum(text != plain for text, plain in zip(texts, plain_texts, strict=True))


def texts_of_newcomer(title: str, brand: str | None, categories: Sequence[str], item_id: str) -> Iterator[str]:
    """Yield the possible texts of an item that joins a catalogue of fixed texts, in order of preference.

    They are made of the same parts as those of `make_unique_texts`.

    >>> list(texts_of_newcomer(" Comb ", "Ada", ["Hair", "Combs"], "b7"))[:4]
    ['Comb', 'Comb (Ada)', 'Comb (Ada) (Combs)', 'Comb (Ada) (Combs) (b7)']
    """
    text, suffixes = _text_and_suffixes(title, brand, categories, item_id)
    yield text
    for suffix in suffixes:
        text = f"{text} ({suffix})"
        yield text


def is_text_of(text: str, title: str, brand: str | None, categories: Sequence[str], item_id: str) -> bool:
    """Return whether this module may have made `text` of these parts, for any other items.

    >>> is_text_of("Comb (b7)", "Comb", "Ada", [], "b7"), is_text_of("Comb (Eve)", "Comb", "Ada", [], "b7")
    (True, False)
    """
    plain, suffixes = _text_and_suffixes(title, brand, categories, item_id)
    if not text.startswith(plain):
        return False
    rest = text[len(plain) :]
    for suffix in suffixes:
        rest = rest.removeprefix(f" ({suffix})")
    return not rest


def _text_and_suffixes(title: str, brand: str | None, categories: Sequence[str], item_id: str) -> tuple[str, list[str]]:
    parts = [fold_whitespace(brand or ""), fold_whitespace(categories[-1]) if categories else "", _short_id(item_id)]
    text = fold_whitespace(title) or " ".join(filter(None, parts[:2])) or parts[2]
    return text, [*filter(None, parts), _digest(item_id, size=16)]


def _check_arguments(
    titles: Sequence[str],
    brands: Sequence[str | None],
    categories: Sequence[Sequence[str]],
    item_ids: Sequence[str],
) -> None:
    lengths = (len(titles), len(brands), len(categories), len(item_ids))
    if len(set(lengths)) > 1:
        raise DataError(f"titles, brands, categories and item ids must be equally many, got {lengths}")
    seen: set[str] = set()
    for item_id in item_ids:
        if item_id in seen:
            raise DataError(f"item ids must be unique, got {item_id!r} twice; remove one of the two rows")
        seen.add(item_id)


def _extend_equal_texts(texts: list[str], suffixes: Sequence[str], key: Callable[[str], Hashable]) -> bool:
    """Append its suffix to every text that occurs more than once, if the suffixes differ; return whether any did."""
    key_to_indices: dict[Hashable, list[int]] = defaultdict(list)
    for index, text in enumerate(texts):
        key_to_indices[key(text)].append(index)
    changed = False
    for indices in key_to_indices.values():
        if len({suffixes[index] for index in indices}) == 1:
            continue
        for index in indices:
            texts[index] = f"{texts[index]} ({suffixes[index]})" if suffixes[index] else texts[index]
        changed = True
    return changed


def _short_id(item_id: str) -> str:
    readable = fold_whitespace(item_id)
    return readable if 0 < len(readable) <= MAX_READABLE_ID else _digest(item_id, size=4)


def _digest(item_id: str, *, size: int) -> str:
    return hashlib.blake2b(item_id.encode(), digest_size=size).hexdigest()
