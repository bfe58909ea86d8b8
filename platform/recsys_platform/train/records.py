"""Small files on shared storage that the workers of a run write and the stage reads.

starts.jsonl     one line per start of the workers
workers.json     where each worker of the latest start runs
metrics.jsonl    see `recsys_platform.train.metrics`
best/            the weights of `train.keep: best` so far, as in final/
final/           the trained weights or adapter with the entity head, and the number of parameters
"""

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import torch.distributed as dist

from recsys_platform.json_lines import append_json_line, read_json_lines
from recsys_platform.train.engine import Engine
from recsys_platform.train.model import write_trained

STARTS_FILE = "starts.jsonl"
WORKERS_FILE = "workers.json"
PARAMETERS_FILE = "parameters.json"


def record_start(folder: Path, step: int) -> None:
    """Record a start or restart of the workers at `step`; all workers take part."""
    mine = {"worker_rank": dist.get_rank(), "host": socket.gethostname(), "pid": os.getpid()}
    workers: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(workers, mine)
    if dist.get_rank() == 0:
        (folder / WORKERS_FILE).write_text(json.dumps(workers) + "\n", encoding="utf-8")
        append_json_line(folder / STARTS_FILE, {"step": step})


def resumed_at_steps(folder: Path) -> list[int]:
    """Return the steps at which a run was resumed."""
    return [line["step"] for line in read_json_lines(folder / STARTS_FILE)[1:]]


def write_weights(folder: Path, engine: Engine, counts: dict[str, int]) -> None:
    """Write the trained weights and the number of parameters; all workers take part, rank 0 writes."""
    with engine.whole_weights():
        if dist.get_rank() == 0:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write_trained(folder, engine.model, engine.head)
            (folder / PARAMETERS_FILE).write_text(json.dumps(counts) + "\n", encoding="utf-8")
    dist.barrier()
