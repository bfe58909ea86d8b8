"""HealthCheck: what `/healthz` answers, also while the queue of the generators is full."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from recsys_platform.serve.schemas import Health

HEALTH_TIMEOUT_S = 10.0
"""How long a generator may take to describe itself."""
ALIVE_S = 30.0
"""How long an answer of a generator shows that one is alive."""


class HealthCheck:
    """Asks a generator to describe itself; a question about health waits in the same queue as requests.

    A full queue is overload, not ill health: the endpoint is healthy if a generator answered anything lately.
    """

    def __init__(self, describe: Callable[[], Awaitable[Health]], clock: Callable[[], float] = time.monotonic) -> None:
        self._describe = describe
        self._clock = clock
        self._latest: Health | None = None
        self._alive_at = -ALIVE_S

    def note_answer(self) -> None:
        """Note that a generator has answered a request."""
        self._alive_at = self._clock()

    async def answer(self) -> Health | str:
        """Return the description of a generator, or the reason why there is none now."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                self._latest = await self._describe()
        except BackPressureError:
            if self._latest is None or self._clock() - self._alive_at >= ALIVE_S:
                return "the queue is full, and no generator has answered lately"
            return self._latest
        except TimeoutError:
            return "no generator has answered yet"
        except (RayActorError, DeploymentUnavailableError) as error:
            return f"the generator was lost: {type(error).__name__}"
        self.note_answer()
        return self._latest
