"""What customer care costs, by name: categories with their subcategories, and the stages of a customer's life.

Plain data that a firm can replace or extend by its own chart of accounts; it is checked when it is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from crmvalue.costing.names import plain_name
from crmvalue.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CostTaxonomy:
    """Names of categories, subcategories and stages, and other ways to write them.

    Parameters
    ----------
    categories : mapping of str to sequence of str
        Subcategories of each category.
    stages : sequence of str
        Why a cost was paid.
    aliases : mapping of str to str
        Further names, in any language, and the category or stage that each stands for.

    Raises
    ------
    InputError
        If a name is empty or stands for two things, or an alias stands for nothing.

    Notes
    -----
    Names are compared without regard to case, spaces, underscores and hyphens; full-width letters count as plain ones,
    traditional Chinese characters as simplified ones.

    Examples
    --------
    >>> CostTaxonomy(categories={"travel": ["flights", "hotels"]}, stages=["retention"], aliases={"差旅": "travel"})
    <CostTaxonomy: 1 categories, 2 subcategories, 1 stages, 1 aliases>
    """

    categories: Mapping[str, tuple[str, ...]]  # subcategories of each category, read-only
    stages: tuple[str, ...]  # stages of a customer's life
    aliases: Mapping[str, str]  # other names of categories and stages, read-only

    def __init__(
        self,
        *,
        categories: Mapping[str, Iterable[str]],
        stages: Iterable[str],
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Copy and check the names."""
        given = {name: tuple(subs) for name, subs in categories.items()}
        object.__setattr__(self, "categories", MappingProxyType(given))
        object.__setattr__(self, "stages", tuple(stages))
        object.__setattr__(self, "aliases", MappingProxyType(dict(aliases or {})))
        check_names(self)

    def __repr__(self) -> str:
        """Say how many names there are."""
        subs = sum(map(len, self.categories.values()))
        counts = f"{len(self.categories)} categories, {subs} subcategories, {len(self.stages)} stages"
        return f"<CostTaxonomy: {counts}, {len(self.aliases)} aliases>"

    def extended(
        self,
        *,
        categories: Mapping[str, Iterable[str]] | None = None,
        stages: Iterable[str] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> CostTaxonomy:
        """Return a taxonomy with further names; the subcategories of a category that is there join those it has."""
        subs = {name: list(found) for name, found in self.categories.items()}
        for name, more in (categories or {}).items():
            subs.setdefault(name, []).extend(more)
        return CostTaxonomy(
            categories=subs, stages=(*self.stages, *stages), aliases={**self.aliases, **(aliases or {})}
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and dicts, which `CostTaxonomy(**record)` reads again."""
        subs = {name: list(found) for name, found in self.categories.items()}
        return {"categories": subs, "stages": list(self.stages), "aliases": dict(self.aliases)}


def check_names(taxonomy: CostTaxonomy) -> None:
    """Raise InputError unless each name stands for one thing."""
    groups = {"categories": list(taxonomy.categories), "stages": list(taxonomy.stages)}
    groups |= {f"categories[{name!r}]": list(subs) for name, subs in taxonomy.categories.items()}
    for argument, names in groups.items():
        if argument in ("categories", "stages") and not names:
            raise InputError(f"{argument}: there is none. Name at least one.")
        seen: dict[str, str] = {}
        for name in names:
            if not isinstance(name, str) or not plain_name(name):
                raise InputError(f"{argument}: got {name!r}. Pass names with at least one letter.")
            if plain_name(name) in seen:
                raise InputError(f"{argument}: {seen[plain_name(name)]!r} and {name!r} are one name. Leave one out.")
            seen[plain_name(name)] = name
    meant = [*taxonomy.categories, *taxonomy.stages]
    said: dict[str, str] = {}
    for alias, name in taxonomy.aliases.items():
        if name not in meant:
            raise InputError(f"aliases: {alias!r} stands for {name!r}, which is no category or stage. Add it there.")
        other = next((one for one in meant if plain_name(one) == plain_name(alias) and one != name), None)
        if other is not None:
            raise InputError(f"aliases: {alias!r} stands for {name!r}, but is a name of its own. Leave it out.")
        if said.setdefault(plain_name(alias), name) != name:
            twice = f"{alias!r} stands for {name!r}, but for {said[plain_name(alias)]!r} as well"
            raise InputError(f"aliases: {twice}. Leave one out.")


CAPITAL_CHARGE = "capital charge"  # subcategory of what `opportunity_cost` makes of capital; known to every ledger

COST_TAXONOMY = CostTaxonomy(
    categories={
        "staff": ["recruiting", "training", "salaries", "benefits", "incentives"],
        "it": [
            "hardware",
            "network",
            "software licenses",
            "implementation",
            "maintenance",
            "upgrades",
            "storage",
            "security",
            "cloud",
        ],
        "marketing": ["market research", "advertising", "promotions", "loyalty program", "partners"],
        "service": ["service staff", "facilities", "complaints", "customer care", "early warning"],
        "data": ["collection", "cleaning", "integration", "analysis"],
        "process": ["redesign", "retraining", "coordination"],
        "time": ["decision", "project delay", "customer waiting"],
        "opportunity": ["forgone project", "lost share", "strategy change"],
    },
    stages=["acquisition", "retention", "expansion", "loss"],
    aliases={
        "人力资源": "staff",
        "人力": "staff",
        "信息技术": "it",
        "资讯科技": "it",
        "资讯技术": "it",
        "营销": "marketing",
        "行销": "marketing",
        "市场营销": "marketing",
        "客户服务": "service",
        "服务": "service",
        "客服": "service",
        "数据": "data",
        "资料": "data",
        "流程优化": "process",
        "流程": "process",
        "时间": "time",
        "机会": "opportunity",
        "获取": "acquisition",
        "保留": "retention",
        "拓展": "expansion",
        "流失": "loss",
    },
)
COST_CATEGORIES = tuple(COST_TAXONOMY.categories)
COST_STAGES = COST_TAXONOMY.stages
