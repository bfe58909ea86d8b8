"""What a reader must know of a measurement of new items, one sentence each."""

from collections.abc import Mapping
from typing import Any

from recsys_platform.config.run import RunConfig

_SCORED_BY = {
    "trie": "A new item is scored by the tokens of its text, as every item is.",
    "lm": "A new item is scored by the tokens of its text, as every item is.",
    "entity": "A new item is scored by a vector made of its words; the free part and the bias that training gives to "
    "known items are 0.",
    "blend": "A new item is scored by its tokens and a vector made of its words, as far as the blend weighs them; the free "
    "part and the bias that training gives to known items are 0, and so is its co-occurrence with the user's items, "
    "which only known items have.",
}


def build_statements(run: RunConfig, counts: Mapping[str, Any], num_of_new: int, num_others: int) -> list[str]:
    """Return the protocol in words.

    Args:
        run: The run that holds items out.
        counts: What the data stage counted of the new items.
        num_of_new: Users who were asked about a new item.
        num_others: Users who were asked about a known one.
    """
    before = (
        "Test events are behind" if run.data.split == "temporal" else "The validation and the test event may be behind"
    )
    texts = "title, brand and categories"
    missing = [name for name in run.entity.fields if name == "description"] if run.entity.enabled else []
    return [
        f"{counts['items']:,} items, data.new_items {run.data.new_items:g} of all, drawn by a hash of seed {run.seed} and "
        f"item id from those with a title, were held out with all their {counts['events']:,} events of "
        f"{counts['users']:,} users: they are in no history, target, count, tokenizer vocabulary or item trie that the "
        "model was trained with.",
        f"Asked for is each user's last event of a new item, where the model was trained on no later event of that user. "
        f"{before} it. Known is everything before it but other new items.",
        f"{num_of_new:,} of {counts['asked']:,} such users were asked, and {num_others:,} of {counts['others']:,} other "
        "users for their test event among known items, which compete with the new ones after the edit.",
        f"The endpoint answered over HTTP, by decoding.scoring {run.decoding.scoring}. The new items came with {texts}.",
        _SCORED_BY[run.decoding.scoring],
        *(
            f"entity.fields names {name}, which POST /v1/items does not take, so vectors of new items lack it."
            for name in missing
        ),
        "Items of the history are not recommended."
        if run.evaluate.exclude_seen
        else "Items of the history may be recommended.",
        "Each case has one right item, so recall@10 is HR@10. Intervals are of 95 % over users.",
    ]
