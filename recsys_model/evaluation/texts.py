"""Generated texts against one reference each: BLEU through sacrebleu, ROUGE through rouge-score (paper, Tables 5, 6).

All figures are in per cent. BLEU-n is the corpus figure, with word groups up to n words, sacrebleu's own tokens
("13a") and smoothing ("exp"); it is a function of summed counts, which are resampled. ROUGE is the mean
F-measure over texts, with word stems.

Shape suffixes: U = users (or texts), X = statistics of a text.
"""

from collections.abc import Sequence

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer
from sacrebleu.metrics.bleu import BLEU

from recsys_model.errors import DataError
from recsys_model.evaluation.intervals import Estimate
from recsys_model.evaluation.resampling import FigureOfTotals, bootstrap_totals, mean_of_totals

ROUGE_NAMES: dict[str, str] = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
"""Our name -> the library's."""
STATEMENT = "BLEU: corpus figure of sacrebleu, tokens 13a; ROUGE: mean F of rouge-score with stems; all in per cent."
"""Statement of the metrics, for tables."""


def bleu_stats(generated: Sequence[str], references: Sequence[str], order: int) -> np.ndarray:
    """Return for each text the matching and all word groups of 1 to `order` words, its length and the reference's, [U, X]."""
    metric = BLEU(max_ngram_order=order, effective_order=True)
    scores = [metric.sentence_score(text, [other]) for text, other in zip(generated, references, strict=True)]
    rows = [[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in scores]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 2 * order + 2)


def bleu_figure(order: int) -> FigureOfTotals:
    """Return the function from the totals of `bleu_stats` to BLEU."""

    def figure(total_X: np.ndarray) -> float:
        counts = [round(value) for value in total_X.tolist()]
        score = BLEU.compute_bleu(
            correct=counts[:order],
            total=counts[order : 2 * order],
            sys_len=counts[-2],
            ref_len=counts[-1],
            smooth_method="exp",
            max_ngram_order=order,
        )
        return float(score.score)

    return figure


def rouge_stats(generated: Sequence[str], references: Sequence[str]) -> dict[str, np.ndarray]:
    """Return by name the F-measure in per cent and 1 for each text, [U, 2]."""
    # given explicitly, since the scorer logs a line for each tokenizer of its own
    scorer = RougeScorer(list(ROUGE_NAMES.values()), tokenizer=DefaultTokenizer(use_stemmer=True))
    scores = [scorer.score(other, text) for text, other in zip(generated, references, strict=True)]
    return {
        name: np.array([[100.0 * score[kind].fmeasure, 1.0] for score in scores]).reshape(-1, 2)
        for name, kind in ROUGE_NAMES.items()
    }


def measure_texts(
    generated: Sequence[str], references: Sequence[str], *, bleu_order: int, num_samples: int, seed: int
) -> dict[str, Estimate]:
    """Return `bleu_N`, `rouge_1`, `rouge_2` and `rouge_l` with their 95 % intervals.

    The paper takes BLEU-4 for explanations and BLEU-2 for review summaries.

    Raises:
        DataError: there is no text, or not one reference for each.
    """
    return {
        name: bootstrap_totals(stats_UX, figure, num_samples=num_samples, seed=seed)
        for name, (figure, stats_UX) in _all_stats(generated, references, bleu_order).items()
    }


def _all_stats(
    generated: Sequence[str], references: Sequence[str], bleu_order: int
) -> dict[str, tuple[FigureOfTotals, np.ndarray]]:
    if len(generated) != len(references):
        raise DataError(f"every text needs one reference, got {len(references)} for {len(generated)} texts")
    bleu = {f"bleu_{bleu_order}": (bleu_figure(bleu_order), bleu_stats(generated, references, bleu_order))}
    rouge = {name: (mean_of_totals, stats_UX) for name, stats_UX in rouge_stats(generated, references).items()}
    return bleu | rouge
