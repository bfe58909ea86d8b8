"""Warnings on figures of generated texts: a script that a metric does not see, and a BLEU that cannot be above 0."""

import re
from collections.abc import Iterator, Mapping, Sequence

from recsys_model.config.text import LanguageCode
from recsys_model.evaluation.texts import TOKENS, bleu_stats, is_zero_by_construction
from recsys_model.text.units import UNSPACED

MIN_UNSEEN_SHARE = 0.05
"""A share of the letters and digits above this is worth a warning."""
_SOUTHEAST_ASIAN = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese and Khmer, which no tokenizer here cuts into words."""
_LETTER = re.compile(r"[^\W_]")


def script_warnings(texts: Sequence[str], language: LanguageCode) -> list[str]:
    """Return a warning for each metric that does not see the script of many letters of the texts.

    Example:
        >>> script_warnings(["The sound is great."], "en"), script_warnings(["音质很好。"], "zh")
        ([], [])
        >>> for warning in script_warnings(["音质很好。"], "en"):
        ...     print(warning)
        ROUGE keeps the letters a to z and digits alone: 100 % of the letters of the texts are others and count for nothing; text.language: zh measures Chinese by characters
        BLEU takes what stands between blanks for one word: 100 % of the letters of the texts are of scripts without blanks between words; text.language: zh measures Chinese by characters
    """
    return list(_script_warnings(texts, language))


def bleu_warning(
    method_to_texts: Mapping[str, Sequence[str]], references: Sequence[str], order: int, language: LanguageCode
) -> str | None:
    """Return a warning that names the methods whose BLEU is 0 by construction, None if there is none.

    Args:
        method_to_texts: Title of a method -> its texts.
        references: What the texts are compared with.
        order: Longest word groups of BLEU.
        language: Language of the texts.
    """
    zero = [
        method
        for method, texts in method_to_texts.items()
        if is_zero_by_construction(bleu_stats(texts, references, order, language), order)
    ]
    if not zero:
        return None
    unit = TOKENS[language].unit
    return (
        f"BLEU-{order} of {', '.join(zero)} is 0 by construction: none of the answers has {order} {unit}; BLEU-{order} "
        "with effective order goes up to the longest groups that there are"
    )


def _script_warnings(texts: Sequence[str], language: LanguageCode) -> Iterator[str]:
    letters = "".join(_LETTER.findall("".join(texts).lower()))
    way_out = "; text.language: zh measures Chinese by characters" if language == "en" else ""
    # rouge-score keeps a-z and 0-9; characters_and_words keeps every letter
    unseen = _share(letters, r"[^a-z0-9]") if language == "en" else 0.0
    if unseen > MIN_UNSEEN_SHARE:
        yield (
            f"ROUGE keeps the letters a to z and digits alone: {100 * unseen:.0f} % of the letters of the texts are "
            f"others and count for nothing{way_out}"
        )
    unspaced = UNSPACED + _SOUTHEAST_ASIAN if language == "en" else _SOUTHEAST_ASIAN
    share = _share(letters, f"[{unspaced}]")
    if share > MIN_UNSEEN_SHARE:
        metrics = "BLEU takes" if language == "en" else "BLEU and ROUGE take"
        yield (
            f"{metrics} what stands between blanks for one word: {100 * share:.0f} % of the letters of the texts are "
            f"of scripts without blanks between words{way_out}"
        )


def _share(letters: str, pattern: str) -> float:
    return len(re.findall(pattern, letters)) / len(letters) if letters else 0.0
