"""What the demo shop calls its brands, series, categories, features and actions in each language.

The shop is drawn in English; only its tables are written in another language. So shops of the same seed in different
languages have the same items, customers, events and best reachable figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from recsys_model.config.text import LanguageCode
from recsys_platform.demo.titles import ShopItem


@dataclass(frozen=True, kw_only=True, slots=True)
class ShopWords:
    """The words of one language; what stands in no mapping keeps its English name."""

    title: str = "{brand} {series} {category}"
    """How a title is put together."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Brands, series, departments, categories, features and actions."""
    feature_values: Mapping[str, str] = field(default_factory=dict)
    """Values of the customers' features."""

    def name(self, english: str) -> str:
        """Return the name of a brand, series, department, category, feature or action."""
        return self.names.get(english, english)

    def title_of(self, item: ShopItem) -> str:
        """Return the title of an item.

        Example:
            >>> tent = ShopItem(item_id="I1", title="Alder Trail Tent", brand="Alder", series="Trail",
            ...     category="Tent", price=240.0, appeal=1.0)
            >>> WORDS["en"].title_of(tent), WORDS["zh"].title_of(tent)
            ('Alder Trail Tent', '赤杨山径帐篷')
        """
        parts = {"brand": item.brand, "series": item.series, "category": item.category}
        return self.title.format(**{part: self.name(english) for part, english in parts.items()})

    def features_of(self, features: Mapping[str, str]) -> dict[str, str]:
        """Return the features of a customer, names and values in the language."""
        return {self.name(name): self.feature_values.get(value, value) for name, value in features.items()}


_CHINESE_NAMES = {
    "Alder": "赤杨",
    "Boreal": "北境",
    "Cairn": "磐石",
    "Driftwood": "浮木",
    "Ember": "星火",
    "Trail": "山径",
    "Summit": "登顶",
    "Lake": "湖畔",
    "Nomad": "游牧",
    "Classic": "经典",
    "Camp": "露营",
    "Kitchen and Tools": "炊具与工具",
    "Clothing": "服装",
    "Tent": "帐篷",
    "Tent Footprint": "帐篷地布",
    "Sleeping Bag": "睡袋",
    "Sleeping Bag Liner": "睡袋内胆",
    "Sleeping Mat": "防潮垫",
    "Hammock": "吊床",
    "Camp Chair": "露营椅",
    "Stove": "炉头",
    "Stove Windscreen": "炉头挡风板",
    "Cook Pot": "套锅",
    "Water Bottle": "水壶",
    "Water Filter": "滤水器",
    "Headlamp": "头灯",
    "Pocket Knife": "折刀",
    "Rain Jacket": "冲锋衣",
    "Fleece Pullover": "抓绒衣",
    "Wool Socks": "羊毛袜",
    "Hiking Boots": "登山鞋",
    "Sun Hat": "遮阳帽",
    "Gloves": "手套",
    "city": "城市",
    "activity": "爱好",
    "age_group": "年龄段",
    "segment": "会员",
    "buy": "购买",
    "click": "浏览",
}
_CHINESE_VALUES = {
    "Aberdeen": "昆明",
    "Bergen": "拉萨",
    "Cusco": "成都",
    "Denver": "杭州",
    "Erfurt": "哈尔滨",
    "paddling": "划船",
    "hiking": "徒步",
    "climbing": "攀岩",
    "cycling": "骑行",
    "fishing": "钓鱼",
    "18-25": "18到25岁",
    "26-35": "26到35岁",
    "36-45": "36到45岁",
    "46-60": "46到60岁",
    "over 60": "60岁以上",
    "starter": "新手",
    "regular": "常客",
    "expert": "行家",
    "collector": "藏家",
    "guide": "领队",
}
WORDS: dict[LanguageCode, ShopWords] = {
    "en": ShopWords(),
    "zh": ShopWords(title="{brand}{series}{category}", names=_CHINESE_NAMES, feature_values=_CHINESE_VALUES),
}
"""The words of each language."""
