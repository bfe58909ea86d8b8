"""Generated texts against one reference each: BLEU through sacrebleu, ROUGE through rouge-score (paper, Tables 5, 6).

All figures are in per cent. BLEU-n is the corpus figure, with word groups up to n words, sacrebleu's own tokens and
smoothing ("exp"); it is a function of summed counts, which are resampled. ROUGE is the mean F-measure over texts.
`text.language` decides the tokens: English has sacrebleu's "13a" and rouge-score's word stems; Chinese has sacrebleu's
"zh", which takes Han characters one by one, and for ROUGE `characters_and_words`.

Corpus BLEU is 0 by construction where no generated text has as many words as its order. `bleu_N_effective` is then
given as well: sacrebleu's effective order, up to the longest groups that there are.

Shape suffixes: U = users (or texts), X = statistics of a text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer
from rouge_score.tokenizers import Tokenizer as RougeTokenizer
from sacrebleu.metrics.bleu import BLEU

from recsys_model.config.text import LanguageCode
from recsys_model.errors import DataError
from recsys_model.evaluation.intervals import Estimate
from recsys_model.evaluation.resampling import FigureOfTotals, bootstrap_totals, mean_of_totals
from recsys_model.text.units import characters_and_words

ROUGE_NAMES: dict[str, str] = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
"""Our name -> the library's."""


class CharacterTokenizer(RougeTokenizer):
    """Tokens of ROUGE in Chinese: Han characters one by one, other words whole."""

    def tokenize(self, text: str) -> list[str]:
        """Return the tokens of a text."""
        return characters_and_words(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class TextTokens:
    """How texts of one language are cut for the metrics."""

    bleu: str
    """sacrebleu's name of the tokenizer."""
    rouge: RougeTokenizer
    """Tokenizer of rouge-score."""
    statement: str
    """Statement of the metrics, for tables."""
    unit: str
    """What is counted, in the plural."""


# the tokenizers are given explicitly, since the scorer logs a line for each of its own
TOKENS: dict[LanguageCode, TextTokens] = {
    "en": TextTokens(
        bleu="13a",
        rouge=DefaultTokenizer(use_stemmer=True),
        statement="BLEU: corpus figure of sacrebleu, tokens 13a; ROUGE: mean F of rouge-score with stems; all in per cent.",
        unit="words",
    ),
    "zh": TextTokens(
        bleu="zh",
        rouge=CharacterTokenizer(),
        statement=(
            "BLEU: corpus figure of sacrebleu, tokens zh (Han characters one by one); ROUGE: mean F of rouge-score over "
            "Han characters and words of other scripts; all in per cent."
        ),
        unit="characters",
    ),
}
"""Tokens of each language."""


def bleu_stats(
    generated: Sequence[str], references: Sequence[str], order: int, language: LanguageCode = "en"
) -> np.ndarray:
    """Return for each text the matching and all word groups of 1 to `order` words, its length and the reference's, [U, X]."""
    metric = BLEU(max_ngram_order=order, effective_order=True, tokenize=TOKENS[language].bleu)
    scores = [metric.sentence_score(text, [other]) for text, other in zip(generated, references, strict=True)]
    rows = [[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in scores]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 2 * order + 2)


def bleu_figure(order: int, *, effective: bool = False) -> FigureOfTotals:
    """Return the function from the totals of `bleu_stats` to BLEU, or to BLEU of the effective order."""

    def figure(total_X: np.ndarray) -> float:
        counts = [round(value) for value in total_X.tolist()]
        score = BLEU.compute_bleu(
            correct=counts[:order],
            total=counts[order : 2 * order],
            sys_len=counts[-2],
            ref_len=counts[-1],
            smooth_method="exp",
            effective_order=effective,
            max_ngram_order=order,
        )
        return float(score.score)

    return figure


def is_zero_by_construction(bleu_stats_UX: np.ndarray, order: int) -> bool:
    """Return whether no generated text has a word group of `order` words, so that corpus BLEU is 0 whatever they say."""
    return bool(bleu_stats_UX[:, 2 * order - 1].sum() == 0)


def rouge_stats(
    generated: Sequence[str], references: Sequence[str], language: LanguageCode = "en"
) -> dict[str, np.ndarray]:
    """Return by name the F-measure in per cent and 1 for each text, [U, 2]."""
    scorer = RougeScorer(list(ROUGE_NAMES.values()), tokenizer=TOKENS[language].rouge)
    scores = [scorer.score(other, text) for text, other in zip(generated, references, strict=True)]
    return {
        name: np.array([[100.0 * score[kind].fmeasure, 1.0] for score in scores]).reshape(-1, 2)
        for name, kind in ROUGE_NAMES.items()
    }


def measure_texts(
    generated: Sequence[str],
    references: Sequence[str],
    *,
    bleu_order: int,
    num_samples: int,
    seed: int,
    language: LanguageCode = "en",
) -> dict[str, Estimate]:
    """Return `bleu_N`, `rouge_1`, `rouge_2` and `rouge_l` with their 95 % intervals.

    `bleu_N_effective` follows `bleu_N` where that is 0 by construction. The paper takes BLEU-4 for explanations and
    BLEU-2 for review summaries.

    Raises:
        DataError: there is no text, or not one reference for each.
    """
    return {
        name: bootstrap_totals(stats_UX, figure, num_samples=num_samples, seed=seed)
        for name, (figure, stats_UX) in _all_stats(generated, references, bleu_order, language).items()
    }


def _all_stats(
    generated: Sequence[str], references: Sequence[str], bleu_order: int, language: LanguageCode
) -> dict[str, tuple[FigureOfTotals, np.ndarray]]:
    if len(generated) != len(references):
        raise DataError(f"every text needs one reference, got {len(references)} for {len(generated)} texts")
    stats_UX = bleu_stats(generated, references, bleu_order, language)
    figures = {f"bleu_{bleu_order}": (bleu_figure(bleu_order), stats_UX)}
    if is_zero_by_construction(stats_UX, bleu_order):
        figures[f"bleu_{bleu_order}_effective"] = (bleu_figure(bleu_order, effective=True), stats_UX)
    rouge = rouge_stats(generated, references, language)
    return figures | {name: (mean_of_totals, each_UX) for name, each_UX in rouge.items()}
