"""Feature words and explaining sentences of literal reviews."""

import pyarrow.parquet

from recsys_model.text.explanations import RULES, Explanation, FeatureWords, WordCounts

REVIEWS = [
    "The sound quality is great. I love the great sound!",
    "My guitar needs the strings. The price was fair, and the sound filled the room.",
    "It has a great price. Great, great, great.",
    "The sound of this guitar? Amazing. He likes its price.",
]


def words(**settings: float) -> FeatureWords:
    chosen = {"min_votes": 1, "min_vote_share": 0.0, **settings}
    return FeatureWords(REVIEWS, **chosen)  # type: ignore[arg-type]


def test_words_that_end_a_run_after_a_determiner_are_counted() -> None:
    # "the sound quality" votes for quality, "the great sound" for sound, "my guitar needs" for needs
    assert words().votes == {
        "price": 3,
        "sound": 2,
        **dict.fromkeys(["filled", "guitar", "needs", "quality", "room", "strings"], 1),
    }


def test_the_most_frequent_come_first_and_ties_are_alphabetical() -> None:
    assert list(words(max_features=4).votes) == ["price", "sound", "filled", "guitar"]


def test_a_word_needs_enough_votes_and_enough_of_its_occurrences() -> None:
    assert list(words(min_votes=2).votes) == ["price", "sound"]
    assert list(words(min_votes=2, min_vote_share=0.6).votes) == ["price"], "sound: 2 votes in 4 occurrences"


def test_a_word_after_a_determiner_that_never_ends_a_run_is_no_feature() -> None:
    assert "great" not in words().votes


def test_the_sentence_with_the_most_frequent_feature_explains() -> None:
    features = words()
    assert features.explain("I like it. My old guitar sounds better now. You cannot beat the price.") == Explanation(
        "price", "You cannot beat the price."
    )


def test_the_earlier_place_wins_a_tie() -> None:
    features = words()
    assert features.explain("What a room it has.  And what quality it is.") == Explanation(
        "room", "What a room it has."
    )
    assert features.explain("The quality of the room.") == Explanation("quality", "The quality of the room.")


def test_too_short_and_too_long_sentences_explain_nothing() -> None:
    features = words()
    assert features.explain("The price!") is None
    assert features.explain("the price " * 16) is None
    assert features.explain("the price " * 15) == Explanation("price", ("the price " * 15).strip())
    assert features.explain("") is None
    assert features.explain("Nothing to say about it.") is None


def test_case_and_white_space_make_no_difference() -> None:
    assert words().explain("What\n a  GUITAR it was.") == Explanation("guitar", "What a GUITAR it was.")


def test_a_mark_without_white_space_after_it_ends_no_sentence() -> None:
    assert RULES["en"].sentences("It is 2.5 m long. Really?  Yes!! ok") == [
        "It is 2.5 m long.",
        "Really?",
        "Yes!!",
        "ok",
    ]


def test_features_do_not_depend_on_the_order_of_the_reviews() -> None:
    again = FeatureWords(reversed(REVIEWS), min_votes=1, min_vote_share=0.0)
    assert list(again.votes.items()) == list(words().votes.items())


def test_features_of_real_reviews_are_parts_and_properties_of_instruments(shared_data) -> None:
    table = pyarrow.parquet.read_table(shared_data / "musical_instruments_2014_5core" / "interactions.parquet")
    reviews = [row["review_text"] for row in table.to_pylist() if row["split"] == "train" and row["review_text"]][:3000]
    features = FeatureWords(reviews)
    assert {"guitar", "price", "strings", "sound", "pedal", "tone", "quality"} <= set(list(features.votes)[:60])
    assert not {"great", "good", "nice", "easy", "cheap"} & set(features.votes)
    explained = [features.explain(review) for review in reviews]
    assert sum(explanation is not None for explanation in explained) > 0.85 * len(reviews)
    assert all(e.feature in e.sentence.lower() for e in explained if e is not None)


CHINESE = [
    "做工很好，帐篷也非常轻。下次还买！",
    "这款帐篷的做工非常精细，但是拉链有点紧。",
    "拉链很顺滑\n做工不错",
    "太阳很大，不锈钢的。真皮很软。",
]


def chinese_words(**settings: float) -> FeatureWords:
    return FeatureWords(CHINESE, language="zh", **{"min_votes": 1, "min_vote_share": 0.0, **settings})  # type: ignore[arg-type]


def test_chinese_words_before_a_word_of_degree_are_counted() -> None:
    assert chinese_words().votes == {"做工": 3, "拉链": 2, "太阳": 1, "帐篷": 1, "真皮": 1}
    # 帐篷 occurs twice and is judged once
    assert "帐篷" not in chinese_words(min_vote_share=0.6).votes


def test_the_chinese_sentence_with_the_most_frequent_feature_explains() -> None:
    features = chinese_words()
    assert features.explain("快递很快。我的拉链很顺滑！他说：“做工也很好。”我信了。") == Explanation(
        "做工", "他说：“做工也很好。”"
    )
    assert features.explain("拉链很顺滑") == Explanation("拉链", "拉链很顺滑")
    assert features.explain("做工好") is None, "three characters are too short"
    assert features.explain("做工很好" * 13) is None, "52 characters are too long"
    assert features.explain("做工很好" * 12) == Explanation("做工", "做工很好" * 12)


def test_chinese_sentences_end_at_their_marks_and_at_line_breaks() -> None:
    assert RULES["zh"].sentences("重2.5公斤。真的？！是的……\n好 评\n\n“值得！”推荐 Good one. 完") == [
        "重2.5公斤。",
        "真的？！",
        "是的……",
        "好 评",
        "“值得！”",
        "推荐 Good one.",
        "完",
    ]


def test_counts_of_parts_add_up_in_any_language() -> None:
    counts = WordCounts()
    for review in CHINESE:
        counts.add(review, "zh")
    assert FeatureWords(counts, language="zh", min_votes=1, min_vote_share=0.0).votes == chinese_words().votes
