"""`/healthz` tells whether a generator is alive, not whether it is busy."""

import asyncio
from collections.abc import Awaitable

import pytest
from ray.exceptions import RayActorError
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from recsys_platform.serve.health import ALIVE_S, HealthCheck
from recsys_platform.serve.schemas import Health, ModelInfo

HEALTH = Health(model=ModelInfo(name="shop", digest="d", version="0", created="2024-01-01"), items=8, catalog_version=0)
FULL = BackPressureError(num_queued_requests=64, max_queued_requests=64)


class Generator:
    """Answers with what it is given, or raises it."""

    def __init__(self, *answers: Health | Exception) -> None:
        self._answers = list(answers)
        self.now = 100.0
        self.check = HealthCheck(self.describe, clock=lambda: self.now)

    def describe(self) -> Awaitable[Health]:
        async def answer() -> Health:
            each = self._answers.pop(0)
            if isinstance(each, Exception):
                raise each
            return each

        return answer()

    def ask(self) -> Health | str:
        return asyncio.run(self.check.answer())


def test_a_full_queue_does_not_hide_a_generator_that_answers():
    generator = Generator(HEALTH, FULL, FULL, FULL)
    assert generator.ask() is HEALTH
    generator.now += ALIVE_S - 1
    assert generator.ask() is HEALTH
    # requests are answered all the while
    generator.check.note_answer()
    generator.now += ALIVE_S - 1
    assert generator.ask() is HEALTH
    # until none is any more
    generator.now += 2
    assert generator.ask() == "the queue is full, and no generator has answered lately"


def test_a_full_queue_in_front_of_a_generator_that_never_answered_is_no_health():
    assert Generator(FULL).ask() == "the queue is full, and no generator has answered lately"


@pytest.mark.parametrize(
    "error", [RayActorError(), DeploymentUnavailableError(DeploymentID(name="generator", app_name="shop"))]
)
def test_a_lost_generator_is_told(error):
    assert Generator(HEALTH, error).ask() is HEALTH
    assert Generator(error).ask() == f"the generator was lost: {type(error).__name__}"
