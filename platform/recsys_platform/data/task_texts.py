"""Texts of questions and answers, for a tokenizer that is trained on the shop's own texts."""

from collections.abc import Iterator

from recsys_model.text.language import Language
from recsys_model.text.templates import Field, load_templates
from recsys_platform.data.input.contract import Items
from recsys_platform.data.reviews import Reviews


def iter_task_texts(language: Language, reviews: Reviews, items: Items) -> Iterator[str]:
    """Yield words of the seen templates, the few possible answers, attributes of items, and training reviews.

    The wording of unseen templates is left out, as in training.
    """
    for template in load_templates(language.code).templates:
        if template.split == "seen":
            yield from (piece for part in template.parts for piece in part.pieces if not isinstance(piece, Field))
    for answers in language.choices.values():
        yield from answers
    yield from (brand for brand in items.brands if brand)
    yield from (names[-1] for names in items.categories if names)
    yield from (text for _, text in reviews.samples)
