from recsys_platform.evaluate.workers.answer_log import AnswerLogs
from recsys_platform.evaluate.workers.pool import build_batches


def test_answers_come_back_in_the_types_that_they_had(tmp_path):
    log = AnswerLogs(tmp_path / "partial", {"seed": 0}).log("x", encode=list, decode=tuple)
    log.add(3, [(7, (1, 2)), (0, (5,))])
    log.add(1, [(2, ())])

    again = AnswerLogs(tmp_path / "partial", {"seed": 0}).log("x", encode=list, decode=tuple)

    assert again.read(num_batches=4) == {3: [(7, (1, 2)), (0, (5,))], 1: [(2, ())]}


def test_scores_survive_to_the_last_bit(tmp_path):
    scores = [-0.1 - 1e-17, -1 / 3, -1e300, float("-inf")]
    log = AnswerLogs(tmp_path / "partial", {}).log("scores")
    log.add(0, [(0, scores)])

    assert log.read(1) == {0: [(0, scores)]}


def test_a_line_that_was_cut_off_is_forgotten_and_written_over(tmp_path):
    partial_answers = AnswerLogs(tmp_path / "partial", {})
    log = partial_answers.log("x")
    log.add(0, [(0, 1)])
    (file,) = tmp_path.rglob("x.jsonl")
    with file.open("a") as end:
        end.write('{"batch": 1, "answ')

    assert log.read(3) == {0: [(0, 1)]}
    log.add(2, [(5, 9)])
    assert log.read(3) == {0: [(0, 1)], 2: [(5, 9)]}


def test_answers_of_other_settings_are_not_taken_up_and_go_with_the_rest(tmp_path):
    AnswerLogs(tmp_path / "partial", {"seed": 0}).log("x").add(0, [(0, 1)])
    other = AnswerLogs(tmp_path / "partial", {"seed": 1})

    assert other.log("x").read(1) == {}
    other.remove()
    assert list(tmp_path.iterdir()) == []


def test_every_case_is_in_one_batch_and_the_longest_come_first():
    batches = build_batches("abcde", [1, 5, 3, 5, 2], batch_size=2)

    assert batches == [[(1, "b"), (3, "d")], [(2, "c"), (4, "e")], [(0, "a")]]
