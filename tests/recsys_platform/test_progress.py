"""Progress of a long step: a bar on a terminal, a log line every half minute elsewhere, with a clock set by hand."""

import contextlib
import fcntl
import io
import logging
import os
import pty
import struct
import sys
import termios

import pytest

from recsys_platform.progress import CountedProgress, ProgressDisplay, counted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="recsys_platform.progress_output")


def test_without_a_terminal_there_is_one_line_every_half_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    stream = io.StringIO()
    with CountedProgress("answering", 1200, "users", stream=stream, clock=clock) as progress:
        for _ in range(12):
            clock.now_s += 6.0
            progress.advance(100)
    assert caplog.messages == [
        "answering: 41 %, 500 of 1,200 users, about 42 s left",
        "answering: 83 %, 1,000 of 1,200 users, about 12 s left",
        "answering: 100 %, 1,200 of 1,200 users in 1.2 min",
    ]
    assert stream.getvalue() == "", "lines are those of logging"


def test_a_last_state_that_was_shown_is_not_shown_again(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with ProgressDisplay("training", stream=io.StringIO(), clock=clock) as display:
        clock.now_s += 30.0
        display.show(1.0, "loss 2")
        display.show(1.0, "loss 2")
    assert caplog.messages == ["training: 100 %, loss 2"]


def test_a_short_step_has_one_line_at_its_end(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with CountedProgress("ranking", 2, "users", stream=io.StringIO(), clock=clock) as progress:
        progress.advance()
        progress.advance()
        clock.now_s += 3.0
    assert caplog.messages == ["ranking: 100 %, 2 of 2 users in 3 s"]


def test_what_was_done_before_does_not_shorten_the_time_left(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with CountedProgress("answering", 100, "users", done=80, stream=io.StringIO(), clock=clock) as progress:
        clock.now_s += 60.0
        progress.advance(5)
        progress.advance(15)
    assert caplog.messages[0] == "answering: 85 %, 85 of 100 users, about 3.0 min left"


def test_things_of_unlike_length_have_no_time_left_and_an_interrupted_step_says_where_it_ended(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        contextlib.suppress(KeyboardInterrupt),
        CountedProgress(
            "training baselines", 3, "models", are_alike=False, stream=io.StringIO(), clock=clock
        ) as progress,
    ):
        progress.describe("sasrec: pass 2 of at most 9")
        clock.now_s += 30.0
        progress.describe("sasrec: pass 3 of at most 9")
        progress.advance()
        raise KeyboardInterrupt
    assert caplog.messages == [
        "training baselines: 0 %, 0 of 3 models, sasrec: pass 3 of at most 9",
        "training baselines: 33 %, 1 of 3 models, sasrec: pass 3 of at most 9",
    ]


def test_a_terminal_gets_one_bar_that_is_drawn_over_and_no_log_line(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    terminal = Terminal()
    with CountedProgress("answering {all}", 4, "users", stream=terminal, clock=clock) as progress:
        for _ in range(4):
            clock.now_s += 2.0
            progress.advance()
    states = terminal.getvalue().split("\r")
    assert "answering {all}:  25%|##5       | 1 of 4 users, about 6 s left" in [state.strip() for state in states]
    assert states[-1].strip() == "answering {all}: 100%|##########| 4 of 4 users in 8 s"
    assert terminal.getvalue().count("\n") == 1
    assert caplog.messages == []


@pytest.mark.parametrize("columns", [0, 100])
def test_a_terminal_of_any_width_shows_the_whole_text(clock: Clock, columns: int) -> None:
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with os.fdopen(writing, "w", encoding="utf-8") as terminal:
        with ProgressDisplay("finding", stream=terminal, clock=clock) as display:
            clock.now_s += 40.0
            display.show(None, "40 s")
        terminal.write("end")
        terminal.flush()
        shown = ""
        while not shown.endswith("end"):
            shown += os.read(reading, 10_000).decode()
    os.close(reading)
    assert "finding: 40 s" in [state.strip() for state in shown.split("\r")]


def test_a_state_whose_share_is_unknown_has_no_percentage(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    terminal = Terminal()
    for stream in (io.StringIO(), terminal):
        with ProgressDisplay("finding", stream=stream, clock=clock) as display:
            clock.now_s += 40.0
            display.show(None, "40 s")
    assert caplog.messages == ["finding: 40 s"]
    assert terminal.getvalue().split("\r")[-1].strip() == "finding: 40 s"


def test_lines_of_others_stand_above_the_bar(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    try:
        with CountedProgress("outer", 2, "runs", clock=clock), CountedProgress("inner", 2, "users", clock=clock):
            logging.getLogger("tests").warning("a warning of this process")
            sys.stderr.write("(RayTrainWorker pid=7) a warning of a worker")
            sys.stderr.write("\n")
        assert sys.stderr is terminal
        assert handler.stream is terminal
    finally:
        logging.getLogger().removeHandler(handler)
    written = terminal.getvalue()
    for line in ("a warning of this process\n", "(RayTrainWorker pid=7) a warning of a worker\n"):
        assert written.count(line) == 1
        assert "outer" in written.split(line)[1], "the bars are drawn again below it"


def test_counted_yields_what_it_is_given(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert list(counted("abc", "reading", 3, "letters")) == ["a", "b", "c"]
    assert caplog.messages == ["reading: 100 %, 3 of 3 letters in 0 s"]
