"""Ratings, reviews and headlines of the Chinese demo shop.

A customer gives 3 stars, one more for each of brand and series that is the customer's favourite, and loses 0, 1 or 2 at
random. Only purchases are rated; `REVIEW_SHARE` of the ratings come with a review. It judges two aspects of the
category: well from 4 stars on, badly below 3, and with 3 stars the first well and the second badly.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from recsys_platform.demo.customers import Customer
from recsys_platform.demo.events import Event
from recsys_platform.demo.titles import ShopItem

REVIEW_SHARE = 0.8
"""Share of the ratings that come with a review."""
LOST_STARS = (0.5, 0.3, 0.2)
"""Probabilities to lose 0, 1 and 2 stars."""
_ASPECTS: dict[str, tuple[str, str]] = {
    "做工": ("非常精细", "有点粗糙"),
    "重量": ("很轻", "太重了"),
    "面料": ("很舒服", "不够结实"),
    "防水性": ("特别好", "不够好"),
    "空间": ("很大", "太小了"),
    "尺寸": ("很合适", "不太准"),
    "保暖性": ("十分出色", "比较一般"),
    "火力": ("很足", "太弱了"),
    "容量": ("很大", "有点小"),
    "亮度": ("很高", "不够高"),
    "手感": ("很好", "比较差"),
    "收纳": ("很方便", "有点麻烦"),
    "价格": ("很实惠", "有点贵"),
}
"""Aspect -> how it is praised and blamed."""
_CATEGORY_ASPECTS: dict[str, tuple[str, ...]] = {
    "Tent": ("空间", "防水性", "收纳", "重量"),
    "Tent Footprint": ("防水性", "尺寸", "重量"),
    "Sleeping Bag": ("保暖性", "面料", "收纳"),
    "Sleeping Bag Liner": ("面料", "尺寸", "价格"),
    "Sleeping Mat": ("手感", "收纳", "重量"),
    "Hammock": ("面料", "收纳", "做工"),
    "Camp Chair": ("做工", "收纳", "重量"),
    "Stove": ("火力", "做工", "重量"),
    "Stove Windscreen": ("尺寸", "做工", "价格"),
    "Cook Pot": ("容量", "做工", "收纳"),
    "Water Bottle": ("容量", "手感", "价格"),
    "Water Filter": ("容量", "做工", "价格"),
    "Headlamp": ("亮度", "重量", "做工"),
    "Pocket Knife": ("手感", "做工", "价格"),
    "Rain Jacket": ("防水性", "面料", "尺寸"),
    "Fleece Pullover": ("保暖性", "手感", "尺寸"),
    "Wool Socks": ("保暖性", "面料", "价格"),
    "Hiking Boots": ("防水性", "尺寸", "做工"),
    "Sun Hat": ("面料", "尺寸", "价格"),
    "Gloves": ("保暖性", "手感", "尺寸"),
}
_OPENINGS = (
    "周末带出去用了一次。",
    "第二次买这个牌子了。",
    "快递三天就到了。",
    "朋友推荐我买的。",
    "用了一个月才来评价。",
)
_CLOSINGS = {
    5: "下次还会回购！",
    4: "总体比较满意。",
    3: "一分价钱一分货吧。",
    2: "希望商家改进。",
    1: "已经申请退货了。",
}
_HEADLINES = {
    5: "{first}{praise}，强烈推荐",
    4: "{first}{praise}",
    3: "{first}{praise}，{second}{blame}",
    2: "{first}{blame}",
    1: "{first}{blame}，不推荐",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """What a customer leaves behind at one event; all empty after a click."""

    rating: float | None = None
    """Stars, 1 to 5."""
    text: str | None = None
    """The review."""
    headline: str | None = None
    """Its headline."""


def build_reviews(
    rng: random.Random, customer: Customer, events: Sequence[Event], items: Sequence[ShopItem]
) -> Iterator[Review]:
    """Draw what a customer leaves behind at each event, in their order."""
    for event in events:
        yield Review() if event.action == "click" else _build_review(rng, customer, items[event.item])


def _build_review(rng: random.Random, customer: Customer, item: ShopItem) -> Review:
    stars = 3 + (item.brand == customer.favourite_brand) + (item.series == customer.favourite_series)
    stars = max(1, stars - rng.choices((0, 1, 2), weights=LOST_STARS)[0])
    first, second = rng.sample(_CATEGORY_ASPECTS[item.category], 2)
    opening = rng.choice(_OPENINGS)
    if rng.random() >= REVIEW_SHARE:
        return Review(rating=float(stars))
    turn = "但是" if stars == 3 else "而且"
    judged = f"{first}{_ASPECTS[first][stars < 3]}，{turn}{second}{_ASPECTS[second][stars < 4]}。"
    headline = _HEADLINES[stars].format(
        first=first,
        second=second,
        praise=_ASPECTS[first][0],
        blame=_ASPECTS[second if stars == 3 else first][1],
    )
    return Review(rating=float(stars), text=f"{opening}{judged}{_CLOSINGS[stars]}", headline=headline)
