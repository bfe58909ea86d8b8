"""Training checkpoints: DeepSpeed's state of every worker and the progress, to resume at the exact step."""

import dataclasses
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray.train
import torch.distributed as dist

from recsys_platform.train.engine import Engine
from recsys_platform.train.progress import Progress
from recsys_platform.train.ranking import BestSoFar

PROGRESS_FILE = "progress.json"


@contextmanager
def saved_checkpoint(engine: Engine, progress: Progress, best: BestSoFar) -> Iterator[ray.train.Checkpoint]:
    """Write a checkpoint into a temporary folder that exists during the context; every worker takes part."""
    with tempfile.TemporaryDirectory(prefix="recsys-") as name:
        engine.save(Path(name))
        if dist.get_rank() == 0:
            text = json.dumps(
                {"step": progress.step, "elapsed_s": progress.elapsed_s, "best": dataclasses.asdict(best)}
            )
            (Path(name) / PROGRESS_FILE).write_text(text, encoding="utf-8")
        yield ray.train.Checkpoint.from_directory(name)


def restore_checkpoint(engine: Engine, progress: Progress) -> BestSoFar:
    """Set weights, optimiser and progress to the latest checkpoint, if there is one; return the best validation so far."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        progress.start()
        return BestSoFar()
    with checkpoint.as_directory() as name:
        engine.load(Path(name))
        saved = json.loads((Path(name) / PROGRESS_FILE).read_text(encoding="utf-8"))
    progress.start(saved["step"], saved["elapsed_s"])
    return BestSoFar(**saved.get("best", {}))
