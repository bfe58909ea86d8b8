"""Free generation: what the trained model writes without the trie, as a ranking of items.

A beam search over the whole vocabulary writes several texts for a user. A text that equals no text of the catalogue
is invalid and keeps its place, since a shop could not show it. So does one that came to no end within the longest
item's tokens.
"""

from collections.abc import Mapping, Sequence, Set

import torch

from recsys_model.config import GenerationConfig
from recsys_model.decoding.text import TextGenerator
from recsys_model.entities.catalog import Catalog, load_catalog
from recsys_model.entities.unique_texts import fold_whitespace
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import Tokenizer, load_tokenizer
from recsys_platform.evaluate.ranking.workers import CaseBatch, Ranked
from recsys_platform.evaluate.workers.model import WorkerSettings, load_model
from recsys_platform.file_names import TOKENIZER_FOLDER

INVALID = -1
"""Stands in a ranking where no item does."""


class FreeGenerationWorker:
    """Holds one copy of the model and answers batches of users without a trie."""

    def __init__(self, settings: WorkerSettings, k: int) -> None:
        torch.set_num_threads(settings.num_threads)
        self._settings = settings
        self._k = k
        self._tokenizer = load_tokenizer(settings.dataset_folder / TOKENIZER_FOLDER)
        catalog = load_catalog(settings.dataset_folder)
        model, scorer = load_model(settings, catalog.items)
        self._text_to_item = build_text_index(catalog, self._tokenizer)
        max_tokens = max(len(item.token_ids) for item in catalog.items)
        generation = GenerationConfig(max_tokens=max_tokens, num_beams=settings.decoding.num_beams)
        automaton = PositionAutomaton(catalog.pool(), settings.intra_mode)
        vectors = None if scorer is None else scorer.vectors
        self._generator = TextGenerator(model, self._tokenizer.special, automaton, generation, vectors)

    def recommend(self, batch: CaseBatch) -> list[tuple[int, Ranked]]:
        """Return, for each case of the batch, its place among all cases and `k` items or `INVALID`."""
        prompts = [self._settings.prompt(case.text, self._tokenizer.special) for _, case in batch]
        text_lists = self._generator.generate_several(prompts)
        answers = []
        for (place, case), texts in zip(batch, text_lists, strict=True):
            words = [self._tokenizer.decode(text.token_ids) for text in texts]
            excluded = case.seen_items if self._settings.exclude_seen else frozenset()
            answers.append((place, Ranked(rank_texts(words, self._text_to_item, self._k, excluded))))
        return answers


def build_text_index(catalog: Catalog, tokenizer: Tokenizer) -> dict[str, int]:
    """Return the text of each item, as its own tokens spell it, -> catalogue index."""
    return {
        fold_whitespace(tokenizer.decode(item.token_ids)): index
        for index, item in reversed(list(enumerate(catalog.items)))
    }


def rank_texts(
    texts: Sequence[str], text_to_item: Mapping[str, int], k: int, excluded: Set[int] = frozenset()
) -> list[int]:
    """Return the item that each of the best `k` texts names, `INVALID` where it names none or there is no text.

    Texts of `excluded` items are taken out before.

    Example:
        >>> rank_texts([" Red Tent", " Red Tend", " Lamp"], {"Red Tent": 0, "Lamp": 1}, k=4)
        [0, -1, 1, -1]
    """
    items = [text_to_item.get(fold_whitespace(text), INVALID) for text in texts]
    allowed = [item for item in items if item not in excluded][:k]
    return allowed + [INVALID] * (k - len(allowed))
