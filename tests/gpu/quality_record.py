"""What `tests.gpu.quality` has found so far: one JSON file, whole at any moment, and the table that it prints."""

import json
import statistics
import threading
from pathlib import Path
from typing import Any

from recsys_platform.json_lines import read_json_lines

METRICS = ("hr_at_10", "ndcg_at_10")


class Record:
    """Figures by name, written at every change; threads may share it."""

    def __init__(self, path: Path) -> None:
        """Write an empty record, in place of an older one."""
        self._path = path
        self._lock = threading.Lock()
        self.figures: dict[str, Any] = {"finished": False, "stopped": None, "notes": []}
        path.parent.mkdir(parents=True, exist_ok=True)
        self.update()

    def note(self, text: str) -> None:
        """Add a sentence to what the reader should know."""
        self.update(notes=[*self.figures["notes"], text])

    def update(self, **figures: Any) -> None:
        """Set figures and write all; the file is replaced as a whole, so a kill leaves the last complete one."""
        with self._lock:
            self.figures |= figures
            partial = self._path.with_name(f"{self._path.name}.partial")
            partial.write_text(json.dumps(self.figures, indent=1) + "\n", encoding="utf-8")
            partial.replace(self._path)


def training_figures(path: Path) -> dict[str, Any] | None:
    """Return what the metrics of a run say, finished or not; None before the first line.

    Speeds are medians of the windows between two lines, the first left out, in which kernels are compiled.
    """
    lines = read_json_lines(path)
    windows = [line for line in lines if "train/tokens_per_s" in line]
    if not windows:
        return None
    steady = windows[1:] or windows
    speeds = {
        name: statistics.median(window[f"train/{name}"] for window in steady)
        for name in ("tokens_per_s", "item_targets_per_s", "data_wait_share")
    }
    validations = [
        {"step": line["step"], "minutes": line["minutes"], **{name: line[f"eval/{name}"] for name in METRICS}}
        for line in lines
        if "eval/ndcg_at_10" in line
    ]
    return {
        **{name: lines[-1][name] for name in ("step", "epoch", "minutes")},
        **speeds,
        "last_loss": windows[-1]["train/loss"],
        "validations": validations,
    }


def as_table(figures: dict[str, Any]) -> str:
    """Return the table of a record; what was not measured is a dash."""
    training, gpu = figures.get("training") or {}, figures.get("gpu") or {}
    busy = (gpu.get("busy") or {}).get("train")
    seconds = ", ".join(f"{name} {value:.0f}" for name, value in (figures.get("seconds") or {}).items())
    rows = [
        ("device", figures.get("device", "-")),
        ("size, layout", f"{figures.get('size', '-')}, {figures.get('layout', '-')}"),
        *(
            (f"{name} of the {_title(scoring)}", _with_interval(found["metrics"]["recsysllm"][key]))
            for scoring, found in (figures.get("evaluation") or {}).items()
            for name, key in (("HR@10", "hr_at_10"), ("NDCG@10", "ndcg_at_10"))
        ),
        ("best validation NDCG@10", _best(training.get("validations") or [])),
        ("tokens/s", _number(training.get("tokens_per_s"), ",.0f")),
        ("item targets/s", _number(training.get("item_targets_per_s"), ",.0f")),
        ("utilisation of the FLOP/s", _number(figures.get("flops_utilisation"), ".1%")),
        ("GPU busy while training", _number(busy, ".0%")),
        ("peak memory, GiB", _number(gpu.get("peak_memory_gib"), ".1f")),
        ("steps, epochs", f"{training.get('step', '-')}, {_number(training.get('epoch'), '.1f')}"),
        ("seconds", seconds or "-"),
        ("in all", f"{_number(figures.get('seconds_in_all'), '.0f')} s of {_number(figures.get('minutes'), 'g')} min"),
        ("finished", "yes" if figures["finished"] else f"no: {figures['stopped']}"),
    ]
    lines = ["| what | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join([*lines, *figures["notes"]])


def _title(scoring: str) -> str:
    return {"entity": "entity head", "blend": "blend"}[scoring]


def _with_interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.4f} [{figure['low']:.4f}, {figure['high']:.4f}]"


def _best(validations: list[dict[str, float]]) -> str:
    if not validations:
        return "-"
    best = max(validations, key=lambda each: each["ndcg_at_10"])
    return f"{best['ndcg_at_10']:.4f} (HR@10 {best['hr_at_10']:.4f}) at step {best['step']}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
