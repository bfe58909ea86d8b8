import pytest

from recsys_platform.train.progress import Progress


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_without_a_time_limit_the_steps_decide():
    progress = Progress(num_steps=4)
    progress.start()
    for _ in range(3):
        progress.advance(1e6)

    assert (progress.share_done, progress.share_after_step, progress.is_finished) == (0.75, 1.0, False)
    progress.advance(1e6)
    assert progress.is_finished


@pytest.mark.parametrize(("elapsed_s", "share"), [(30.0, 0.25), (90.0, 0.75), (120.0, 1.0), (150.0, 1.0)])
def test_with_a_time_limit_the_further_of_steps_and_clock_decides(elapsed_s, share):
    progress = Progress(num_steps=10, max_minutes=2.0)
    progress.start()
    progress.advance(elapsed_s)

    assert progress.share_done == share
    assert progress.is_finished == (share == 1.0)


def test_set_up_before_the_start_and_the_pause_before_a_resume_cost_no_time():
    clock = FakeClock()
    progress = Progress(num_steps=10, max_minutes=1.0, clock=clock)
    clock.now_s += 500.0
    progress.start(step=3, elapsed_s=20.0)
    clock.now_s += 5.0

    assert progress.own_elapsed_s() == 25.0
    progress.advance(25.0)
    assert (progress.step, progress.elapsed_s) == (4, 25.0)
