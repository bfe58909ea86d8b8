"""All private names of Ray and DeepSpeed that a training uses, each with a reason and a fallback.

Read in Ray 2.60 and DeepSpeed 0.19. A training does not need them: if a later version has moved a name, the
training runs with the default of that version. A test of each name then fails and names the function to delete.
"""

import logging
from typing import Any

# ray.train.torch.TorchTrainer is the same class, but a type checker sees a union of the old and the new trainer there
from ray.train.v2.torch.torch_trainer import TorchTrainer


class Trainer(TorchTrainer):
    """A `TorchTrainer` that stays quiet on a Ray without a dashboard, such as the one `recsys` starts itself."""

    def _create_default_callbacks(self) -> list[Any]:
        """Return Ray's callbacks; a Ray that calls this method by another name keeps all of them."""
        return without_cleaner(super()._create_default_callbacks())


def without_cleaner(callbacks: list[Any]) -> list[Any]:
    """Return the callbacks of a training, on a Ray without a dashboard without the cleaner of placement groups.

    Ray 2.60 adds the cleaner always. It asks the dashboard whether the controller of a run is alive, to free its
    resources if it is not. Without a dashboard the question ends in a traceback on the terminal and nothing is freed;
    there the whole cluster ends with the command, which frees everything.

    Delete it, and `Trainer` with it, when the cleaner is silent on a Ray without a dashboard.
    """
    try:
        from ray._private.worker import get_dashboard_url
        from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
    except ImportError:
        return callbacks
    if get_dashboard_url():
        return callbacks
    return [callback for callback in callbacks if not isinstance(callback, PlacementGroupCleanerCallback)]


def silence_reports() -> None:
    """Keep Ray's two lines a checkpoint, of every worker, off the terminal.

    Ray 2.60 names the logger of these lines after its file and not after its module, so `LoggingConfig` does not reach
    it. Delete it when that module calls `logging.getLogger(__name__)`.
    """
    try:
        from ray.train.v2._internal.execution import context
    except ImportError:
        return
    logging.getLogger(context.__file__).setLevel(logging.WARNING)


def leave_out_shm_comm() -> None:
    """Tell DeepSpeed that its op for shared memory does not fit this machine; gloo does not need it.

    DeepSpeed 0.19 builds the op when it starts on a CPU, which takes minutes and a compiler, and has no switch for it.
    Delete it when there is one. The first import of DeepSpeed selects its accelerator, so set `DS_ACCELERATOR` before
    this call.
    """
    import deepspeed

    compatible_ops = getattr(deepspeed.ops, "__compatible_ops__", None)
    if isinstance(compatible_ops, dict):
        compatible_ops["deepspeed_shm_comm"] = False
