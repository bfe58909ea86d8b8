"""One picture: how far NDCG@10 of every variant lies from the base, with both intervals and every seed."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recsys_platform.ablate.results import DECIDING
from recsys_platform.evaluate.report.plot_style import LIGHT, Theme, to_png
from recsys_platform.evaluate.report.wording import metric_title


def draw_differences(path: Path, report: Mapping[str, Any]) -> None:
    """Draw a line for each compared variant: thick over users, thin over seeds, dots for the seeds themselves."""
    path.write_bytes(to_png(functools.partial(_figure_of, report), LIGHT))


def _figure_of(report: Mapping[str, Any], theme: Theme) -> Figure:
    entries = [
        (row["variant"], row["differences"][DECIDING]) for row in report["rows"] if row["differences"] is not None
    ]
    free = report["free_generation"]
    if free is not None and free["seeds"]:
        entries.append((f"free generation\nminus trie-guided ({free['source']})", free["differences"][DECIDING]))
    figure = Figure(figsize=(8.0, 1.6 + 0.45 * len(entries)), layout="constrained")
    axes = figure.subplots()
    for place, (_, entry) in enumerate(entries):
        _draw_entry(axes, place, entry, theme)
    axes.axvline(0.0, color=theme.text, linewidth=0.8)
    axes.set_yticks(range(len(entries)), [name for name, _ in entries])
    axes.invert_yaxis()
    intervals = "95 % intervals: thick over users, thin over seeds; dots: seeds"
    axes.set_xlabel(f"{metric_title(DECIDING)} minus that of the base\n{intervals}")
    axes.grid(visible=False, axis="y")
    return figure


def _draw_entry(axes: Axes, place: int, entry: Mapping[str, Any], theme: Theme) -> None:
    color = {"helps": theme.better, "hurts": theme.worse}.get(entry["verdict"], theme.text)
    if entry["over_seeds"] is not None:
        axes.hlines(place, entry["over_seeds"]["low"], entry["over_seeds"]["high"], color=color, linewidth=1.0)
    axes.hlines(place, entry["low"], entry["high"], color=color, linewidth=5.0, alpha=0.6)
    axes.plot(entry["by_seed"], [place] * len(entry["by_seed"]), "o", color=theme.text, markersize=3)
