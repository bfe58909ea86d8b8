"""The report of a training run: figures as JSON and the learning curve as a picture."""

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from recsys_platform.file_names import METRICS_FILE
from recsys_platform.json_lines import read_json_lines
from recsys_platform.train.metrics import last_values
from recsys_platform.train.ranking import BEST_METRIC
from recsys_platform.train.records import PARAMETERS_FILE, resumed_at_steps

REPORT_FILE = "report.json"
CURVE_FILE = "learning_curve.png"


def build_report(run_folder: Path, final_folder: Path, keep: str) -> dict[str, Any]:
    """Return the figures of a finished run; `keep` is `train.keep`."""
    lines = read_json_lines(run_folder / METRICS_FILE)
    resumed = resumed_at_steps(run_folder)
    counts: dict[str, int] = json.loads((final_folder / PARAMETERS_FILE).read_text(encoding="utf-8"))
    return {
        "metrics": last_values(lines),
        "steps": lines[-1]["step"],
        "epochs": lines[-1]["epoch"],
        "minutes": lines[-1]["minutes"],
        "resumed": len(resumed),
        "resumed_at_steps": resumed,
        "weights_of": _kept(lines, keep),
        **counts,
    }


def _kept(lines: list[dict[str, Any]], keep: str) -> str:
    """Describe the kept weights; of equal validations those of the first one."""
    values = {line["step"]: line[BEST_METRIC] for line in lines if BEST_METRIC in line}
    if keep == "last" or not values:
        return "the last step"
    return f"the best validation, step {max(values, key=lambda step: values[step])}"


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write the figures as JSON."""
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def draw_learning_curve(path: Path, lines: list[dict[str, Any]]) -> None:
    """Draw training and validation loss over the steps."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, marker in (("train/loss", ""), ("eval/loss", "o")):
        points = [(line["step"], line[name]) for line in lines if name in line]
        if points:
            axes.plot(*zip(*points, strict=True), marker=marker, markersize=3, label=name)
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("mean loss of a target token, nats")
    axes.set_title("Learning curve: training (all objectives) and validation (next item)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
