"""The statements of the new-items report: its protocol in words, one sentence each."""

from collections.abc import Mapping
from typing import Any

from recsys_platform.config.run import RunConfig

_SCORED_BY = {
    "trie": "A new item is scored by the tokens of its text, as every item is.",
    "lm": "A new item is scored by the tokens of its text, as every item is.",
    "entity": "A new item is scored by a vector made of its words; its free vector and its bias, which only training sets, "
    "are 0.",
    "blend": "A new item is scored by its tokens and by a vector made of its words, with the blend's weights; its free "
    "vector and its bias, which only training sets, are 0, and so is its co-occurrence with the user's items.",
}


def build_statements(run: RunConfig, counts: Mapping[str, Any], num_of_new: int, num_others: int) -> list[str]:
    """Return the protocol in words.

    Args:
        run: The run that holds items out.
        counts: What the data stage counted of the new items.
        num_of_new: Users whose target is a new item.
        num_others: Users whose target is another item.
    """
    before = (
        "Test events are after" if run.data.split == "temporal" else "The validation and the test event may be after"
    )
    texts = "title, brand and categories"
    missing = [name for name in run.entity.fields if name == "description"] if run.entity.enabled else []
    return [
        f"{counts['items']:,} items were held out with all their {counts['events']:,} events of {counts['users']:,} users: "
        f"the share data.new_items {run.data.new_items:g} of all items, drawn by a hash of seed {run.seed} and item id "
        "from those with a title. No history, target, count, tokenizer vocabulary or item trie of the training has them.",
        f"The target is each user's last event of a new item, if the model was trained on no later event of that user. "
        f"{before} it. The history has all earlier events except those of other new items.",
        f"{num_of_new:,} of {counts['asked']:,} such users were evaluated, and {num_others:,} of {counts['others']:,} other "
        "users with their test event as the target; after the edit, their target competes with the new items.",
        f"The endpoint answered over HTTP with decoding.scoring {run.decoding.scoring}. The new items had {texts}.",
        _SCORED_BY[run.decoding.scoring],
        *(
            f"entity.fields has {name}, which POST /v1/items does not take, so vectors of new items lack it."
            for name in missing
        ),
        "Items of the history are not recommended."
        if run.evaluate.exclude_seen
        else "Items of the history may be recommended.",
        "Each case has one target, so recall@10 equals HR@10. Intervals are 95 % intervals over users.",
    ]
