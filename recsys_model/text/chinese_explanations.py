"""Explanations of Chinese reviews, found without a word segmenter.

1. A review is cut into sentences at 。！？… and line breaks, and at `.` followed by white space.
2. A stretch of Han characters is cut at function words ("的", "这", "但是", ...) and at words of degree ("很", "非常",
   "不", ...). What is left in 2 to 4 characters is a word. One in front of a word of degree gets a vote: "做工很好",
   "帐篷的做工也非常精细" vote for 做工.
3. A sentence of `MIN_UNITS` to `MAX_UNITS` characters, or words in other scripts, may explain.
"""

import re
from collections.abc import Iterator, Sequence

from recsys_model.text.task_facts import fold
from recsys_model.text.units import num_units

MIN_UNITS, MAX_UNITS = 5, 50
MIN_CHARACTERS, MAX_CHARACTERS = 2, 4
_CLOSING = "”’」』）)】"
_ENDING = "。！？!?…"
_SENTENCE_END = re.compile(rf"(?<=[{_ENDING}])(?![{_ENDING}{_CLOSING}])|(?<=[{_ENDING}][{_CLOSING}])|\n+|(?<=\.)\s+")
_HAN = re.compile(r"[\u4e00-\u9fff]+")
_ADVERBS = "也 都 还 就 又 却 倒 确实 真的 实在 总体 整体 整个 一直 依然 仍然"
# followed by these characters they are parts of other words: 太阳, 真皮, 不锈钢
_DEGREES = "非常 特别 比较 十分 有点 有些 相当 极其 格外 超级 特 很 挺 蛮 够 更 最 好像 没 太(?!阳) 真(?![皮丝]) 不(?!锈) 超(?![市轻])"
_FUNCTION_WORDS = """
这个 这款 这件 这双 这种 这些 这次 那个 那款 那些 我们 他们 大家 自己 觉得 感觉 认为 希望 而且 但是 不过 虽然 所以 因为 就是 尤其 其中
另外 总之 以及 并且 还是 只是 可以 如果 的 了 是 我 你 他 她 它 这 那 但 而 和 与 跟 及 让 在
"""


def _alternation(words: str) -> str:
    return "|".join(sorted(words.split(), key=len, reverse=True))


_CUT = re.compile(
    rf"((?:{_alternation(_ADVERBS)})*(?:{_alternation(_DEGREES)}))"
    rf"|(?:{_alternation(_FUNCTION_WORDS)}|{_alternation(_ADVERBS)})"
)


class ChineseRule:
    """The rule of the module."""

    statement = (
        "Explanations are ours: sentences of the reviews that hold a word which often stands before a word of degree "
        "(很, 非常, 不, ...), found by counting without a word segmenter, so figures cannot be compared with those on "
        "other extractions."
    )

    def sentences(self, review: str) -> list[str]:
        """Cut a review at 。！？… and at line breaks; closing quotation marks stay with their sentence.

        Example:
            >>> ChineseRule().sentences("他说：“真好！”我信了。重2.5公斤 USB口很紧？！")
            ['他说：“真好！”', '我信了。', '重2.5公斤 USB口很紧？！']
        """
        parts = (fold(part) for part in _SENTENCE_END.split(review))
        return [part for part in parts if part]

    def words(self, text: str) -> list[str]:
        """Return what stands between function words in 2 to 4 characters.

        Example:
            >>> ChineseRule().words("这款帐篷的做工非常精细，但是拉链有点紧。")
            ['帐篷', '做工', '精细', '拉链']
        """
        return [word for word, _ in _words(text)]

    def votes(self, words: Sequence[str], text: str) -> list[str]:
        """Return the words that stand in front of a word of degree.

        Example:
            >>> ChineseRule().votes([], "这款帐篷的做工非常精细，但是拉链有点紧。")
            ['做工', '拉链']
        """
        del words
        return [word for word, is_judged in _words(text) if is_judged]

    def is_usual_length(self, sentence: str) -> bool:
        """Return whether the sentence has `MIN_UNITS` to `MAX_UNITS` characters, or words in other scripts."""
        return MIN_UNITS <= num_units(sentence, "zh") <= MAX_UNITS


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each word, and whether a word of degree follows."""
    for stretch in _HAN.findall(text):
        start = 0
        for cut in _CUT.finditer(stretch):
            yield from _word(stretch[start : cut.start()], is_judged=cut[1] is not None)
            start = cut.end()
        yield from _word(stretch[start:], is_judged=False)


def _word(text: str, *, is_judged: bool) -> Iterator[tuple[str, bool]]:
    if MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS:
        yield text, is_judged
