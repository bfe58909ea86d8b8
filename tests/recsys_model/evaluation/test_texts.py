"""BLEU and ROUGE against their libraries on whole corpora, also on every resample."""

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from recsys_model.errors import DataError
from recsys_model.evaluation.text_warnings import script_warnings
from recsys_model.evaluation.texts import bleu_figure, bleu_stats, measure_texts
from recsys_model.text.units import characters_and_words

GENERATED = ["the sound is great", "a very good strap", "works", "it keeps the guitar in tune all day", ""]
REFERENCES = [
    "the sound is really great",
    "good strap",
    "it works as it should",
    "keeps my guitar in tune all day long",
    "fine",
]
TEXTS = st.lists(st.sampled_from(["the", "sound", "is", "great", "strap", ",", "it's", "tune."]), max_size=9).map(
    " ".join
)


def sacrebleu_of(generated: list[str], references: list[str], order: int) -> float:
    return sacrebleu.BLEU(max_ngram_order=order).corpus_score(generated, [references]).score


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), st.sampled_from([2, 4]))
def test_bleu_of_summed_counts_is_the_corpus_bleu_of_sacrebleu(pairs, order):
    generated, references = map(list, zip(*pairs, strict=True))
    total = bleu_stats(generated, references, order).sum(axis=0)
    assert bleu_figure(order)(total) == pytest.approx(sacrebleu_of(generated, references, order), abs=1e-9)


def test_figures_of_a_corpus_are_those_of_the_libraries():
    found = measure_texts(GENERATED, REFERENCES, bleu_order=4, num_samples=10, seed=0)
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    rouge = [scorer.score(reference, text) for text, reference in zip(GENERATED, REFERENCES, strict=True)]
    assert {name: estimate.value for name, estimate in found.items()} == pytest.approx(
        {
            "bleu_4": sacrebleu_of(GENERATED, REFERENCES, 4),
            "rouge_1": 100 * np.mean([score["rouge1"].fmeasure for score in rouge]),
            "rouge_2": 100 * np.mean([score["rouge2"].fmeasure for score in rouge]),
            "rouge_l": 100 * np.mean([score["rougeL"].fmeasure for score in rouge]),
        }
    )
    assert found["bleu_4"].value > 0.0


def test_equal_texts_score_a_hundred_and_foreign_ones_nothing():
    same = measure_texts(REFERENCES[:1], REFERENCES[:1], bleu_order=2, num_samples=5, seed=0)
    assert {name: (round(e.value, 6), round(e.low, 6), round(e.high, 6)) for name, e in same.items()} == dict.fromkeys(
        ["bleu_2", "rouge_1", "rouge_2", "rouge_l"], (100.0, 100.0, 100.0)
    )
    foreign = measure_texts(["xyz"], REFERENCES[:1], bleu_order=2, num_samples=5, seed=0)
    assert {estimate.value for estimate in foreign.values()} == {0.0}


def test_one_rouge_worked_out_by_hand():
    found = measure_texts(["a very good strap"], ["good strap"], bleu_order=2, num_samples=5, seed=0)
    assert found["rouge_1"].value == pytest.approx(100 * 2 * (2 / 4) * (2 / 2) / (2 / 4 + 2 / 2))
    assert found["rouge_2"].value == pytest.approx(100 * 2 * (1 / 3) * 1 / (1 / 3 + 1))


def naive_interval(order: int) -> tuple[float, float]:
    """Score resampled corpora with sacrebleu, one after the other."""
    generator = np.random.default_rng(5)
    values = []
    for _ in range(400):
        drawn = generator.integers(0, len(REFERENCES), len(REFERENCES))
        references = [REFERENCES[index] for index in drawn]
        values.append(sacrebleu_of([GENERATED[index] for index in drawn], references, order))
    low, high = np.percentile(values, [2.5, 97.5])
    return low, high


def test_the_interval_of_bleu_equals_that_of_resampled_corpora():
    found = measure_texts(GENERATED, REFERENCES, bleu_order=2, num_samples=2000, seed=1)["bleu_2"]
    low, high = naive_interval(2)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.15 * (high - low))


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(DataError, match="got 2 for 1 texts"):
        measure_texts(["a"], ["a", "b"], bleu_order=4, num_samples=5, seed=0)
    with pytest.raises(DataError, match="at least one user"):
        measure_texts([], [], bleu_order=4, num_samples=5, seed=0)


CHINESE_GENERATED = ["音质非常好", "很好用", "USB接口有点紧，20瓦", "不错"]
CHINESE_REFERENCES = ["音质真的非常好", "好用", "USB接口太紧", "很不错！"]


@pytest.mark.parametrize("order", [2, 4])
def test_chinese_bleu_is_that_of_sacrebleu_with_its_chinese_tokens(order):
    found = measure_texts(CHINESE_GENERATED, CHINESE_REFERENCES, bleu_order=order, num_samples=5, seed=0, language="zh")
    expected = sacrebleu.BLEU(max_ngram_order=order, tokenize="zh").corpus_score(
        CHINESE_GENERATED, [CHINESE_REFERENCES]
    )
    assert found[f"bleu_{order}"].value == pytest.approx(expected.score)
    assert expected.score > 0.0


def test_chinese_rouge_is_that_of_characters_between_blanks():
    def spelled(text: str) -> str:
        # rouge-score keeps a-z, so each character gets a word of Latin letters
        return " ".join(unit if unit.isascii() else f"u{ord(unit):x}" for unit in characters_and_words(text))

    pairs = [(spelled(a), spelled(b)) for a, b in zip(CHINESE_REFERENCES, CHINESE_GENERATED, strict=True)]
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"])
    found = measure_texts(CHINESE_GENERATED, CHINESE_REFERENCES, bleu_order=2, num_samples=5, seed=0, language="zh")
    for name, kind in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        assert found[name].value == pytest.approx(100 * np.mean([scorer.score(*pair)[kind].fmeasure for pair in pairs]))


def test_bleu_of_texts_shorter_than_its_order_is_0_and_effective_order_stands_beside_it():
    short, references = ["the sound", "works"], ["the sound is great", "works well"]
    found = measure_texts(short, references, bleu_order=4, num_samples=5, seed=0)
    assert found["bleu_4"].value == 0.0
    expected = sacrebleu.BLEU(max_ngram_order=4, effective_order=True).corpus_score(short, [references])
    assert found["bleu_4_effective"].value == pytest.approx(expected.score)
    # all 3 words and 1 pair are right, 3 words in place of 6
    assert expected.score == pytest.approx(100 * np.exp(1 - 6 / 3))
    assert "bleu_2_effective" not in measure_texts(short, references, bleu_order=2, num_samples=5, seed=0)


@pytest.mark.parametrize(
    ("text", "language", "metrics"),
    [
        ("The sound is great, 5 stars.", "en", []),
        ("Ça marche très bien, vraiment", "en", ["ROUGE"]),
        ("Звук отличный", "en", ["ROUGE"]),
        ("音质很好", "en", ["ROUGE", "BLEU"]),
        ("เสียงดีมาก", "en", ["ROUGE", "BLEU"]),
        ("音质很好 USB", "zh", []),
        ("เสียงดีมาก", "zh", ["BLEU and ROUGE"]),
        ("", "zh", []),
        ("", "en", []),
    ],
)
def test_a_script_that_a_metric_does_not_see_is_named(text, language, metrics):
    warnings = script_warnings([text], language)
    assert [warning.split(" keeps ")[0].split(" take")[0] for warning in warnings] == metrics


def test_a_few_words_of_another_script_are_no_reason_to_warn():
    assert script_warnings(["This is a long English sentence about a tent, 篷."] * 3, "en") == []
