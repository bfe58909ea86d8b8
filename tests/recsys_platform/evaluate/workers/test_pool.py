"""Workers of an evaluation on a cluster that is full or too small, and workers that refuse their settings."""

import pytest
import ray

from recsys_model.errors import ConfigError
from recsys_platform.evaluate.workers.pool import answer_batches

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster")]

BATCHES = [[(0, 1), (1, 2)], [(2, 3)], [(3, 4)]]


class Doubler:
    """Returns twice the numbers; refuses a `factor` of 0."""

    def __init__(self, factor: int) -> None:
        if factor == 0:
            raise ConfigError("the factor must not be 0")
        self._factor = factor

    def multiply(self, batch: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(place, self._factor * number) for place, number in batch]


def answers(num_workers: int, factor: int = 2) -> dict[int, int]:
    return answer_batches(
        Doubler, (factor,), "multiply", BATCHES, num_workers=num_workers, use_gpu=False, unit="numbers"
    )


@ray.remote(num_cpus=3)
class Occupant:
    """Holds three of the four CPUs."""

    def is_there(self) -> bool:
        return True


def test_a_worker_that_finds_no_room_keeps_no_batch_waiting():
    occupant = Occupant.remote()
    assert ray.get(occupant.is_there.remote())
    try:
        assert answers(num_workers=2) == {0: 2, 1: 4, 2: 6, 3: 8}
    finally:
        ray.kill(occupant)


def test_more_workers_than_the_cluster_has_cpus_are_refused():
    with pytest.raises(
        ConfigError, match=r"evaluate\.num_workers asks for 5 x 1 CPU, but the Ray cluster has 1 node with 4"
    ):
        answers(num_workers=5)


def test_what_a_worker_says_of_its_settings_comes_without_its_call_stack():
    with pytest.raises(ConfigError) as error:
        answers(num_workers=2, factor=0)
    assert str(error.value) == "the factor must not be 0"
