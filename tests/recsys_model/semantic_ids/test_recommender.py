"""Recommendations by semantic ids against `generate` of transformers with a prefix function and as many beams as ids."""

import dataclasses
import functools
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.errors import ConfigError, DataError
from recsys_model.semantic_ids.checkpoint import PublishedCheckpoint, load_published_checkpoint
from recsys_model.semantic_ids.layouts import read_semantic_index
from recsys_model.semantic_ids.published_format import PublishedFormat, published_format
from recsys_model.semantic_ids.recommender import SemanticIdRecommender, SemanticRequest
from tests.recsys_model.semantic_ids import tiny_checkpoints
from tests.recsys_model.semantic_ids.tiny_checkpoints import LCREC, MINIONEREC, OPENONEREC, Published, texts_of

LAYOUTS = ("minionerec", "lcrec", "openonerec")
HISTORIES = {
    "minionerec": [["5", "0", "3"], ["Pen & Ink 1"], []],
    "lcrec": [["B004", "B000", "B0010"], ["7"], []],
    "openonerec": [["101", "104"], ["<s_a_6><s_b_3><s_c_7>"], []],
}
HISTORY_TEXTS = {
    "minionerec": ["<a_2><b_31><c_0>, <a_12><b_7><c_9>, <a_104><b_0><c_9>", "<a_12><b_7><c_98><d_1>", ""],
    "lcrec": ["<a_1><b_0><c_1><d_4>, <a_0><b_0><c_0><d_0>, <a_1><b_0><c_2><d_0>", "<a_1><b_1><c_1><d_2>", ""],
    "openonerec": [
        "<|sid_begin|><s_a_5><s_b_8191><s_c_0><|sid_end|><|sid_begin|><s_a_8191><s_b_3><s_c_7><|sid_end|>",
        "<|sid_begin|><s_a_6><s_b_3><s_c_7><|sid_end|>",
        "",
    ],
}
ALL_TEXTS = {
    "minionerec": sorted(set(texts_of(MINIONEREC.values()))),
    "lcrec": sorted(set(texts_of(LCREC.values()))),
    "openonerec": sorted({f"<s_a_{a}><s_b_{b}><s_c_{c}>" for a, b, c in OPENONEREC.values()}),
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Published]:
    pytest.importorskip("sentencepiece", reason="LC-Rec's tokenizer needs sentencepiece")
    return {name: getattr(tiny_checkpoints, name)(tmp_path_factory.mktemp(name)) for name in LAYOUTS}


@functools.cache
def checkpoint_of(weights: Path) -> PublishedCheckpoint:
    return load_published_checkpoint(weights)


@functools.cache
def recommender_of(files: Published, form: PublishedFormat | None = None, **others) -> SemanticIdRecommender:
    """Return the recommender of two files; equal calls share one."""
    return SemanticIdRecommender(read_semantic_index(files.index), checkpoint_of(files.weights), form, **others)


def requests_of(layout: str, **others) -> list[SemanticRequest]:
    return [SemanticRequest(history=history, exclude_seen=False, **others) for history in HISTORIES[layout]]


@functools.cache
def by_generate(layout: str, weights: Path, *, renormalise: bool = False) -> list[list[tuple[str, float]]]:
    """Return (semantic id, score) of every id for each history, best first, as transformers ranks them in one batch."""
    slow = {"legacy": True} if layout == "lcrec" else {}
    tokenizer = transformers.AutoTokenizer.from_pretrained(weights, padding_side="left", **slow)
    tokenizer.pad_token = tokenizer.eos_token
    model = transformers.AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32).eval()
    form = published_format(layout)
    prompts = [form.template.replace("{history}", text) + form.begin for text in HISTORY_TEXTS[layout]]
    inputs = tokenizer(prompts, return_tensors="pt", padding=True)
    size, eos = inputs.input_ids.shape[1], tokenizer.eos_token_id
    ended = [eos] if form.ends_with_eos else []
    answers = {
        text: [*tokenizer(text + form.end, add_special_tokens=False).input_ids, *ended] for text in ALL_TEXTS[layout]
    }

    def allowed(_: int, ids: torch.Tensor) -> list[int]:
        made = ids[size:].tolist()
        return [row[len(made)] for row in answers.values() if len(row) > len(made) and row[: len(made)] == made] or [
            eos
        ]

    found = model.generate(
        **inputs,
        num_beams=len(answers),
        num_return_sequences=len(answers),
        max_new_tokens=max(map(len, answers.values())),
        do_sample=False,
        length_penalty=0.0,
        early_stopping="never",
        eos_token_id=eos if form.ends_with_eos else None,
        pad_token_id=eos,
        prefix_allowed_tokens_fn=allowed,
        renormalize_logits=renormalise,
        return_dict_in_generate=True,
        output_scores=True,
    )
    texts = {tuple(row): text for text, row in answers.items()}
    rows = [tuple(row) for row in found.sequences[:, size:].tolist()]
    named = [next(texts[row[:n]] for n in range(1, len(row) + 1) if row[:n] in texts) for row in rows]
    pairs = list(zip(named, found.sequences_scores.tolist(), strict=True))
    return [pairs[start : start + len(answers)] for start in range(0, len(pairs), len(answers))]


def assert_same_items(items, expected) -> None:
    assert [item.id for item in items] == [item.id for item in expected]
    assert [item.score for item in items] == pytest.approx([item.score for item in expected], abs=1e-4)


def best_of_each_id(items) -> list[tuple[str, float]]:
    pairs: dict[str, float] = {}
    for item in items:
        pairs.setdefault(item.semantic_id, item.score)
    return list(pairs.items())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("exact", [False, True])
def test_items_and_scores_are_those_of_generate_for_all_users_of_a_batch(published, layout: str, exact: bool) -> None:
    files = published[layout]
    recommender = recommender_of(files)
    assert recommender.index.layout == layout
    answers = recommender.recommend(requests_of(layout), k=recommender.index.num_items, exact=exact)
    expected = by_generate(layout, files.weights)
    assert len(answers) == len(expected) == 3
    for answer, pairs in zip(answers, expected, strict=True):
        found = best_of_each_id(answer.items)
        assert [text for text, _ in found] == [text for text, _ in pairs]
        assert [score for _, score in found] == pytest.approx([score for _, score in pairs], abs=1e-4)
        assert len(found) == len(ALL_TEXTS[layout])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_renormalised_scores_are_those_of_generate_with_renormalised_logits(published, layout: str) -> None:
    recommender = recommender_of(published[layout], scoring="trie")
    answers = recommender.recommend(requests_of(layout), k=recommender.index.num_items)
    for answer, pairs in zip(answers, by_generate(layout, published[layout].weights, renormalise=True), strict=True):
        found = dict(best_of_each_id(answer.items))
        assert found == pytest.approx(dict(pairs), abs=1e-4)
        assert sum(torch.tensor(list(found.values())).exp()) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_end_of_an_answer_is_scored_as_the_project_trains_it(published, layout: str) -> None:
    files = published[layout]
    open_ended = published_format(layout, {"end": "", "ends_with_eos": False})
    if layout == "minionerec":
        # without an end, lengths 3 and 4 are told apart by their tokens alone, as long as no id begins another
        assert {len(tokens) for tokens in MINIONEREC.values()} == {3, 4}
    whole = recommender_of(files).recommend(requests_of(layout), k=5)
    bare = recommender_of(files, open_ended).recommend(requests_of(layout), k=5)
    highest = [max(item.score for item in answer.items) for answer in (whole[0], bare[0])]
    assert (highest[0] < highest[1]) is (layout != "openonerec")


def test_items_of_one_semantic_id_stand_in_the_order_of_the_catalogue_and_the_answer_says_so(published) -> None:
    answer = recommender_of(published["minionerec"]).recommend(requests_of("minionerec"), k=9)[0]
    assert sorted(item.id for item in answer.items) == list("012345678")
    shared = [item for item in answer.items if item.semantic_id == "<a_104><b_0><c_9>"]
    assert [(item.id, item.num_sharing) for item in shared] == [("3", 3), ("4", 3), ("7", 3)]
    assert len({item.score for item in shared}) == 1
    assert answer.shared_order == "catalogue order"
    assert [item.title for item in shared] == ["Pen & Ink 3", "Pen & Ink 4", "Pen & Ink 7"]


def test_k_items_come_back_even_if_fewer_ids_hold_them(published) -> None:
    recommender = recommender_of(published["minionerec"])
    everything = recommender.recommend(requests_of("minionerec"), k=9, exact=True)
    for k in range(1, 10):
        for answer, whole in zip(
            recommender.recommend(requests_of("minionerec"), k, exact=True), everything, strict=True
        ):
            assert_same_items(answer.items, whole.items[:k])
            assert answer.certificate is not None
            assert answer.certificate.is_exact
            outside = [item.score for item in whole.items[k:]]
            assert answer.certificate.bound >= max(outside, default=float("-inf"))


def test_k_beams_are_enough_for_k_valid_and_distinct_items(published) -> None:
    for k in (1, 2, 3, 5):
        form = published_format("minionerec", {"num_beams": k, "items_per_id": 1})
        answers = recommender_of(published["minionerec"], form).recommend(requests_of("minionerec"), k)
        assert [len({item.semantic_id for item in answer.items}) for answer in answers] == [k] * 3
        assert {item.id for answer in answers for item in answer.items} <= set(MINIONEREC)


def test_seen_and_denied_items_are_left_out_but_not_those_that_share_their_id(published) -> None:
    recommender = recommender_of(published["minionerec"])
    requests = [
        SemanticRequest(history=["3", "0"]),
        SemanticRequest(history=["<a_104><b_0><c_9>"]),
        SemanticRequest(history=["3"], exclude_seen=False, deny=["4", "<a_2><b_7><c_98>"]),
        SemanticRequest(history=["3"], allow=["4", "3", "Pen & Ink 5"]),
        SemanticRequest(history=["3"], allow=["3"]),
        SemanticRequest(history=list("012345678")),
    ]
    found = [sorted(item.id for item in answer.items) for answer in recommender.recommend(requests, k=9)]
    assert found == [list("1245678"), list("012568"), list("0123567"), ["4", "5"], [], []]
    exact = recommender.recommend(requests, k=9, exact=True)
    assert [sorted(item.id for item in answer.items) for answer in exact] == found
    assert all(answer.certificate is not None and answer.certificate.is_exact for answer in exact)


def test_one_item_an_id_is_the_most_popular_one_that_is_left(tmp_path: Path, published) -> None:
    def key(codes):
        return str(codes[0] * 8192**2 + codes[1] * 8192 + codes[2])

    document: dict[str, list[dict[str, int]]] = {}
    for pid, codes in OPENONEREC.items():
        counts = {"count": 9 - pid % 10, "count_after_downsample": pid % 10}
        document.setdefault(key(codes), []).append({"pid": pid, **counts})
    files = Published(tiny_checkpoints.write_json(tmp_path / "sid2pid.json", document), published["openonerec"].weights)
    recommender = recommender_of(files)
    answers = recommender.recommend([SemanticRequest(history=["104"]), SemanticRequest(history=["104", "103"])], k=6)
    assert sorted(item.id for item in answers[0].items) == ["102", "103", "105", "106"]
    assert sorted(item.id for item in answers[1].items) == ["101", "102", "105", "106"]
    assert answers[0].shared_order == "training popularity"
    both = recommender_of(files, published_format("openonerec", {"items_per_id": 0}))
    pair = [item.id for item in both.recommend([SemanticRequest()], k=6)[0].items if item.num_sharing == 2]
    assert pair == ["103", "101"]


def test_an_answer_says_how_much_of_the_history_was_read(published) -> None:
    form = published_format("minionerec", {"max_history": 2})
    long, short = recommender_of(published["minionerec"], form).recommend(
        [
            SemanticRequest(history=["1", "5", "0"], exclude_seen=False),
            SemanticRequest(history=["5", "0"], exclude_seen=False),
        ],
        3,
    )
    assert (long.num_history, short.num_history) == (2, 2)
    assert_same_items(long.items, short.items)


def test_an_exact_search_that_ends_early_bounds_its_error(published) -> None:
    recommender = recommender_of(published["lcrec"], max_expansions=2)
    answer = recommender.recommend([SemanticRequest(history=["1"])], k=3, exact=True)[0]
    assert answer.certificate is not None
    assert not answer.certificate.is_exact
    everything = recommender_of(published["lcrec"]).recommend([SemanticRequest(history=["1"])], k=10)[0]
    found = {item.id for item in answer.items}
    outside = [item.score for item in everything.items if item.id not in found]
    assert answer.certificate.bound >= max(outside) - 1e-4


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_cache_of_prompts_changes_no_answer(published, layout: str) -> None:
    plain, caching = recommender_of(published[layout]), recommender_of(published[layout], reuse_mb=8)
    expected = plain.recommend(requests_of(layout), k=4)
    for _ in range(2):
        for one, other in zip(caching.recommend(requests_of(layout), k=4), expected, strict=True):
            assert_same_items(one.items, other.items)


def test_no_request_gets_no_answer(published) -> None:
    assert recommender_of(published["lcrec"]).recommend([], k=3) == []


def test_bad_requests_are_refused_with_a_way_out(published) -> None:
    recommender = recommender_of(published["minionerec"])
    with pytest.raises(ConfigError, match=r"from 1 to num_beams \(50\), got 51; .*or search exactly"):
        recommender.recommend([SemanticRequest()], k=51)
    with pytest.raises(ConfigError, match="got 0"):
        recommender.recommend([SemanticRequest()], k=0, exact=True)
    assert len(recommender.recommend([SemanticRequest()], k=51, exact=True)[0].items) == 9
    with pytest.raises(
        DataError, match=r"has no item 'B7'; .*its id \(such as 0\), its semantic id \(such as <a_12><b_7>"
    ):
        recommender.recommend([SemanticRequest(history=["B7"])], k=1)
    with pytest.raises(DataError, match=r"history must be a list of items, got the text '35'; write \['35'\]"):
        SemanticRequest(history="35")
    with pytest.raises(ConfigError, match=r"at most 506 tokens, .* a history of 200 items needs \d+; set max_history"):
        recommender.recommend([SemanticRequest(history=["1"] * 200)], k=1)


def test_settings_that_no_search_could_use_are_refused(tmp_path: Path, published) -> None:
    prefixed = {"0": ["<a_2>", "<b_7>", "<c_98>"], "1": ["<a_2>", "<b_7>", "<c_98>", "<d_1>"]}
    index = tiny_checkpoints.write_json(tmp_path / "X.index.json", prefixed)
    files = Published(index, published["minionerec"].weights)
    assert recommender_of(files).index.lengths == (3, 4)
    with pytest.raises(
        ConfigError, match="<a_2><b_7><c_98> begins <a_2><b_7><c_98><d_1>; set end, or ends_with_eos to true"
    ):
        recommender_of(files, published_format("minionerec", {"end": "", "ends_with_eos": False}))
    # the line break is a token of its own, or joins a colon before it
    joined = {"template": "Next {history}", "begin": "\n", "item": "{semantic_id}:"}
    with pytest.raises(ConfigError, match="each prompt must end with the same token"):
        recommender_of(files, published_format("minionerec", joined))
    apart = published_format("minionerec", {**joined, "begin": " then\n"})
    assert len(recommender_of(files, apart).recommend([SemanticRequest()], k=2)[0].items) == 2
    with pytest.raises(ConfigError, match="template and begin must have at least 2 tokens without a history"):
        recommender_of(files, published_format("minionerec", {"template": "{history}", "begin": ":"}))


@functools.cache
def scores_by_forward_passes(weights: Path, prompt: str) -> dict[str, float]:
    """Score each semantic id of MiniOneRec by one plain pass of transformers over prompt and answer."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(weights)
    model = transformers.AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float64).eval()
    size = len(tokenizer(prompt).input_ids)
    scores = {}
    for text in ALL_TEXTS["minionerec"]:
        ids = torch.tensor([[*tokenizer(f"{prompt}{text}\n").input_ids, tokenizer.eos_token_id]])
        with torch.no_grad():
            log_probs = model(input_ids=ids).logits[0, size - 1 : -1].log_softmax(dim=-1)
        scores[text] = float(log_probs.gather(1, ids[0, size:, None]).sum())
    return scores


ITEMS = st.sets(st.sampled_from(sorted(MINIONEREC)))


@settings(max_examples=25)
@given(
    ITEMS,
    st.none() | ITEMS,
    st.integers(1, 9),
    st.integers(0, 2),
    st.booleans(),
    st.lists(st.integers(0, 3), min_size=9, max_size=9),
)
def test_the_answer_is_the_best_k_of_the_items_that_a_request_may_get(
    published, deny, allow, k, items_per_id, exact, counts
) -> None:
    files = published["minionerec"]
    index = dataclasses.replace(read_semantic_index(files.index), counts=tuple(counts))
    form = published_format("minionerec", {"items_per_id": items_per_id})
    recommender = SemanticIdRecommender(index, checkpoint_of(files.weights), form)
    scores = scores_by_forward_passes(files.weights, form.write_prompt(["<a_12><b_7><c_9>"]))
    text_of = {key: "".join(tokens) for key, tokens in MINIONEREC.items()}
    # items are named by one digit, so their names are in the order of the catalogue
    left = sorted(
        set(MINIONEREC if allow is None else allow) - deny,
        key=lambda key: (-scores[text_of[key]], -counts[int(key)], key),
    )
    first = [
        key
        for key in left
        if not items_per_id or [x for x in left if text_of[x] == text_of[key]].index(key) < items_per_id
    ]
    request = SemanticRequest(
        history=["0"], exclude_seen=False, deny=sorted(deny), allow=None if allow is None else sorted(allow)
    )
    answer = recommender.recommend([request], k, exact=exact)[0]
    assert [item.id for item in answer.items] == first[:k]
    assert [item.score for item in answer.items] == pytest.approx([scores[text_of[key]] for key in first[:k]], abs=1e-3)
    assert answer.shared_order == "training popularity"
