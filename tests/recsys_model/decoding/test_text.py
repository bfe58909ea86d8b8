"""Free text equals a search over lists in which every step is a full forward pass."""

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import GenerationConfig
from recsys_model.decoding.text import TextGenerator
from recsys_model.decoding.text_beams import TextSearch
from recsys_model.entities.pool import EntityPool
from recsys_model.errors import ConfigError
from recsys_model.infilling.positions import IntraMode, PositionAutomaton
from tests.recsys_model.decoding.tiny_decoding import CONTROL_IDS, SPECIAL, make_model, make_prompt, next_logits

MODELS = [make_model(seed) for seed in range(4)]
POOL = EntityPool([(0, 1), (0, 1, 2), (3,), (4, 5, 6), (7, 8), (9, 10, 11)])


def automaton(mode: IntraMode = "paper") -> PositionAutomaton:
    return PositionAutomaton(POOL, mode)


@cache
def log_probs_of(seed: int, mode: IntraMode, text: tuple[int, ...], tokens: tuple[int, ...]) -> torch.Tensor:
    logits = next_logits(MODELS[seed], automaton(mode), make_prompt(list(text)), list(tokens))[-1]
    logits[CONTROL_IDS] = float("-inf")
    return logits.log_softmax(dim=-1)


def search_by_hand(
    seed: int, text: list[int], config: GenerationConfig, mode: IntraMode
) -> tuple[tuple[int, ...], float, bool]:
    """Beam search over lists of tokens."""
    live, finished = [([], 0.0)], []
    last = live[0]
    while True:
        candidates = []
        for tokens, score in live:
            row = log_probs_of(seed, mode, tuple(text), tuple(tokens))
            candidates += [
                (tokens, score + float(row[token]), token) for token in range(len(row)) if row[token] > -1e30
            ]
        best = sorted(candidates, key=lambda entry: -entry[1])[: 2 * config.num_beams]
        finished += [(t, score) for t, score, token in best[: config.num_beams] if token == SPECIAL.end]
        going_on = [([*t, token], score) for t, score, token in best if token != SPECIAL.end][: config.num_beams]
        if len(finished) >= config.num_beams or len(live[0][0]) == config.max_tokens:
            break
        live, last = going_on, going_on[0]
    if not finished:
        return tuple(last[0]), last[1], False
    tokens, score = max(finished, key=lambda entry: entry[1] / (len(entry[0]) + 1) ** config.length_power)
    return tuple(tokens), score, True


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 3),
    st.lists(st.lists(st.integers(0, 19), max_size=6), min_size=1, max_size=3),
    st.integers(1, 3),
    st.integers(1, 5),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from(["paper", "run", "glm"]),
)
def test_text_of_every_prompt_in_a_batch_equals_a_search_over_lists(seed, texts, num_beams, max_tokens, power, mode):
    config = GenerationConfig(max_tokens=max_tokens, num_beams=num_beams, length_power=power)
    prompts = [make_prompt(text) for text in texts]
    found = TextGenerator(MODELS[seed], SPECIAL, automaton(mode), config).generate(prompts)
    for text, generated in zip(texts, found, strict=True):
        tokens, score, is_complete = search_by_hand(seed, text, config, mode)
        assert (generated.token_ids, generated.is_complete) == (tokens, is_complete)
        assert generated.log_prob == pytest.approx(score, abs=1e-4)


def greedy_by_hand(seed: int, text: list[int], max_tokens: int) -> tuple[int, ...]:
    tokens: list[int] = []
    while len(tokens) < max_tokens:
        token = int(log_probs_of(seed, "paper", tuple(text), tuple(tokens)).argmax())
        if token == SPECIAL.end:
            break
        tokens.append(token)
    return tuple(tokens)


def test_one_beam_is_greedy_search() -> None:
    texts = [[n, 19 - n, 3] for n in range(5)]
    for seed, model in enumerate(MODELS):
        generator = TextGenerator(model, SPECIAL, automaton(), GenerationConfig(max_tokens=8))
        found = generator.generate([make_prompt(text) for text in texts])
        assert [generated.token_ids for generated in found] == [greedy_by_hand(seed, text, 8) for text in texts]


@pytest.mark.parametrize(("power", "tokens", "log_prob"), [(0.0, (), -1.0), (1.0, (5,), -1.3)])
def test_length_power_favours_the_longer_of_two_finished_texts(power, tokens, log_prob) -> None:
    config = GenerationConfig(num_beams=2, length_power=power)
    search = TextSearch(1, SPECIAL, automaton(), config)
    step_1, step_2 = [-1.0, -1.2, -3.0, -4.0], [-1.3, -5.0, -6.0, -7.0]
    search.advance(torch.tensor([step_1]), torch.tensor([[0, 0, 0, 0]]), torch.tensor([[SPECIAL.end, 5, 6, 7]]))
    assert search.last_tokens.tolist() == [[5, 6]]
    search.advance(torch.tensor([step_2]), torch.tensor([[0, 0, 1, 1]]), torch.tensor([[SPECIAL.end, 1, 1, 2]]))
    assert search.drop_done_requests().tolist() == []
    assert search.is_done
    best = search.best_texts()[0]
    assert (best.token_ids, best.is_complete, best.log_prob) == (tokens, True, pytest.approx(log_prob))


def test_tokens_that_structure_an_example_never_come_up() -> None:
    model = make_model(9)
    with torch.no_grad():
        model.word_embeddings.weight[CONTROL_IDS] *= 30.0
    prompts = [make_prompt([n]) for n in range(10)]
    found = TextGenerator(model, SPECIAL, automaton(), GenerationConfig(max_tokens=10, num_beams=3)).generate(prompts)
    assert not {token for text in found for token in text.token_ids} & {*CONTROL_IDS, SPECIAL.end}


def test_a_model_in_training_stays_in_training_and_no_prompts_give_no_texts() -> None:
    model = make_model(0).train()
    generator = TextGenerator(model, SPECIAL, automaton(), GenerationConfig(max_tokens=3))
    assert generator.generate([]) == []
    assert len(generator.generate([make_prompt([1])])) == 1
    assert model.training


def test_answers_longer_than_the_position_tables_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"at most 40 .*generation\.max_tokens needs 41"):
        TextGenerator(MODELS[0], SPECIAL, automaton(), GenerationConfig(max_tokens=40))


@pytest.mark.parametrize("setting", [{"max_tokens": 0}, {"num_beams": 0}, {"length_power": -1.0}])
def test_settings_out_of_range_are_refused(setting) -> None:
    with pytest.raises(ConfigError, match=f"generation.{next(iter(setting))} must"):
        GenerationConfig(**setting)


def test_several_texts_come_best_first_and_are_those_of_the_search_for_one() -> None:
    config = GenerationConfig(max_tokens=12, num_beams=4)
    prompts = [make_prompt([n, 3]) for n in range(6)]
    generator = TextGenerator(MODELS[3], SPECIAL, automaton(), config)
    several, best = generator.generate_several(prompts), generator.generate(prompts)
    assert any(len(texts) >= 3 for texts in several)
    for texts, one in zip(several, best, strict=True):
        assert [text.log_prob for text in texts] == sorted((text.log_prob for text in texts), reverse=True)
        assert len({text.token_ids for text in texts}) == len(texts)
        assert all(text.is_complete for text in texts)
        assert texts[0] == one if texts else not one.is_complete
    assert generator.generate_several([]) == []
