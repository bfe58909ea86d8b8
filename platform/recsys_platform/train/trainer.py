"""Ray's `TorchTrainer`, without the helper that cannot work on a Ray that has no dashboard."""

from ray._private.worker import get_dashboard_url
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.callback import RayTrainCallback
from ray.train.v2.torch.torch_trainer import TorchTrainer


class Trainer(TorchTrainer):
    """A `TorchTrainer` that stays quiet on a Ray without a dashboard, such as the one `recsys` starts itself.

    Ray 2.60 asks the dashboard whether the controller of a run is alive, to free its resources if it is
    not. Without a dashboard the question ends in a traceback on the terminal and nothing is freed; there
    the whole cluster ends with the command, which frees everything.
    """

    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        callbacks = super()._create_default_callbacks()
        if get_dashboard_url():
            return callbacks
        return [callback for callback in callbacks if not isinstance(callback, PlacementGroupCleanerCallback)]
