"""Links in free text: the linker's pygtrie beside a walk over plain dicts, and what folding the text alone takes.

    python -m tests.benchmarks.linking ITEMS.parquet [--texts 2000] [--repeats 5]

The texts are made: words of random titles, and in every second text a whole title. Times are CPU seconds of this process, the
median over the repeats, so that other programs on the machine count little.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from recsys_model.entities.linking import EntityLinker
from recsys_model.text.words import split_words

END = ""
"""Key of the items of a name in a node of the dicts; no word is empty."""


def made_texts(titles: Sequence[str], count: int) -> list[str]:
    """Return texts of about 30 words."""
    rng = random.Random(0)
    words = [word for title in titles for word in title.split()]
    fillers = [" ".join(rng.choices(words, k=15)) for _ in range(2 * count)]
    names = [rng.choice(titles) if number % 2 else "" for number in range(count)]
    return [f"{fillers[2 * number]} {name}, {fillers[2 * number + 1]}" for number, name in enumerate(names)]


def dict_trie(names: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Return nested dicts, word by word."""
    root: dict[str, Any] = {}
    for name, item in names:
        node = root
        for word in split_words(name):
            node = node.setdefault(word.text, {})
        node.setdefault(END, []).append(item)
    return root


def links_by_dicts(root: dict[str, Any], text: str) -> list[tuple[int, int, tuple[int, ...]]]:
    """Return what the linker finds, without its rules on quotation marks and on cut signs."""
    words = split_words(text)
    linked, place = [], 0
    while place < len(words):
        node, best, length = root, None, 0
        for depth, word in enumerate(words[place:], start=1):
            node = node.get(word.text)
            if node is None:
                break
            if END in node:
                best, length = node[END], depth
        if best is None:
            place += 1
            continue
        linked.append((words[place].start, words[place + length - 1].end, tuple(best)))
        place += length
    return linked


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("items", type=Path)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    titles = [title for title in pq.read_table(options.items)["title"].to_pylist() if title]
    texts = made_texts(titles, options.texts)
    names = [(title, item) for item, title in enumerate(titles) if any(not word.is_sign for word in split_words(title))]
    linker, root = EntityLinker(names), dict_trie(names)
    ours = [[(found.start, found.end, found.items) for found in linker.link(text)] for text in texts]
    differing = sum(one != links_by_dicts(root, text) for one, text in zip(ours, texts, strict=True))
    ways: dict[str, Callable[[], object]] = {
        "folding the text alone": lambda: [split_words(text) for text in texts],
        "pygtrie (the linker)": lambda: [linker.link(text) for text in texts],
        "walk over dicts": lambda: [links_by_dicts(root, text) for text in texts],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.repeats):
        for name, work in ways.items():
            seconds[name].append(cpu_seconds(work))
    print(f"{len(names)} titles, {len(texts)} texts, {sum(map(len, ours))} links; {differing} texts differ")
    for name, values in seconds.items():
        print(f"{name}: {1e6 * statistics.median(values) / len(texts):.0f} us a text")
    build = {"pygtrie": lambda: EntityLinker(names), "dicts": lambda: dict_trie(names)}
    for name, work in build.items():
        print(f"building, {name}: {cpu_seconds(work):.2f} s")


if __name__ == "__main__":
    main()
