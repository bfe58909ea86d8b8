"""Notes on the texts of a catalogue: titles in another language than the run's, and characters that are not read."""

import re
from collections.abc import Iterator

from recsys_model.config.text import LanguageCode
from recsys_model.entities.catalog import Catalog
from recsys_model.text.tokenizer import Tokenizer
from recsys_model.text.units import UNSPACED

MOSTLY = 0.5
"""Titles are in a script if more than this share of their letters is."""
_LETTER = re.compile(r"[^\W\d_]")
_UNSPACED = re.compile(f"[{UNSPACED}]")


def text_notes(tokenizer: Tokenizer, catalog: Catalog, language: LanguageCode) -> list[str]:
    """Return a sentence on each doubt, none if there is nothing to say."""
    return [*_language_note(catalog, language), *_unknown_note(tokenizer, catalog)]


def _language_note(catalog: Catalog, language: LanguageCode) -> Iterator[str]:
    letters = "".join(_LETTER.findall("".join(item.title for item in catalog.items)))
    share = len(_UNSPACED.findall(letters)) / len(letters) if letters else 0.0
    if language == "en" and share > MOSTLY:
        yield (
            f"{100 * share:.0f} % of the letters of the titles are Chinese or Japanese, but text.language is en: the words "
            "around them, the questions and the metrics of texts are English; text.language: zh has Chinese ones"
        )


def _unknown_note(tokenizer: Tokenizer, catalog: Catalog) -> Iterator[str]:
    unknown = tokenizer.unknown
    titles = [item.text for item in catalog.items if unknown is not None and unknown in item.token_ids]
    if titles:
        yield (
            f"{len(titles)} of {len(catalog.items)} titles have characters that the vocabulary does not know, for example "
            f"{titles[0]!r}; the model reads each as the same unknown token. Take a tokenizer.path that knows them, or "
            "none, which trains one"
        )
