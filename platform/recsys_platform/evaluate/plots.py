"""One picture: HR@10 of every method with its interval."""

from pathlib import Path

from matplotlib.figure import Figure

from recsys_platform.evaluate.report import METHOD_TITLES, Metrics

_COLORS = {"recsysllm": "tab:blue"}


def write_hit_rate_plot(path: Path, metrics: Metrics) -> None:
    """Write bars of HR@10 with 95 % intervals as a PNG; what is best reachable becomes a dashed line."""
    bars = [method for method in METHOD_TITLES if method in metrics and metrics[method]["hr_at_10"]["low"] is not None]
    figure = Figure(figsize=(6.0, 3.6), dpi=150, layout="constrained")
    axes = figure.subplots()
    for place, method in enumerate(bars):
        entry = metrics[method]["hr_at_10"]
        value, low, high = (float(entry[key] or 0.0) for key in ("value", "low", "high"))
        axes.bar(place, value, color=_COLORS.get(method, "tab:gray"), width=0.6)
        axes.vlines(place, low, high, color="black")
        axes.annotate(f"{value:.4f}", (place, high), xytext=(0, 3), textcoords="offset points", ha="center")
    if "best_reachable" in metrics:
        value = float(metrics["best_reachable"]["hr_at_10"]["value"] or 0.0)
        axes.axhline(value, color="black", linestyle="--", label=f"{METHOD_TITLES['best_reachable']}: {value:.4f}")
        axes.legend(loc="best", fontsize="small")
    axes.set_xticks(range(len(bars)), [METHOD_TITLES[method] for method in bars])
    axes.set_ylabel("HR@10")
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0.0)
    figure.savefig(path)
