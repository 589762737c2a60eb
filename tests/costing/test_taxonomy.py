"""Names of costs: one meaning each, in any spelling and in Chinese."""

import json

import pandas as pd
import pytest

from crmvalue.costs import COST_TAXONOMY, CostTaxonomy, prepare_ledger
from crmvalue.errors import InputError

CHINESE = {
    "staff": ["人力资源", "人力", "人力資源"],
    "it": ["信息技术", "IT", "信息技術", "資訊科技", "ＩＴ", "I_T"],
    "marketing": ["营销", "營銷", "行銷"],
    "service": ["客户服务", "服务", "客戶服務", "服務"],
    "data": ["数据", "數據", "資料"],
    "process": ["流程优化", "流程", "流程優化"],
    "time": ["时间", "時間"],
    "opportunity": ["机会", "機會", " 机 会 "],
}
STAGES = {"acquisition": ["获取", "獲取"], "retention": ["保留"], "expansion": ["拓展"], "loss": ["流失"]}


def lines(**columns):
    n = max(len(values) for values in columns.values())
    return pd.DataFrame({"date": ["2024-01-31"] * n, "amount": [1.0] * n, "category": ["staff"] * n, **columns})


@pytest.mark.parametrize(("category", "names"), CHINESE.items())
def test_chinese_names_of_categories_are_matched_in_both_scripts(category, names):
    assert prepare_ledger(lines(category=names)).frame["category"].unique().tolist() == [category]


@pytest.mark.parametrize(("stage", "names"), STAGES.items())
def test_chinese_names_of_stages_are_matched_in_both_scripts(stage, names):
    assert prepare_ledger(lines(stage=names), stage="stage").frame["stage"].unique().tolist() == [stage]


def test_the_taxonomy_has_the_eight_categories_and_their_37_subcategories():
    counts = {name: len(subs) for name, subs in COST_TAXONOMY.categories.items()}
    assert counts == {
        "staff": 5, "it": 9, "marketing": 5, "service": 5, "data": 4, "process": 3, "time": 3, "opportunity": 3
    }  # fmt: skip
    assert COST_TAXONOMY.stages == ("acquisition", "retention", "expansion", "loss")


def test_an_unknown_chinese_name_lists_the_nearest():
    with pytest.raises(
        InputError, match=r"unknown name '人力资本' in 1 of 1 rows .*Did you mean 'staff' for '人力资本'"
    ):
        prepare_ledger(lines(category=["人力资本"]))


def test_a_taxonomy_survives_json():
    record = json.loads(json.dumps(COST_TAXONOMY.to_dict()))
    assert CostTaxonomy(**record).to_dict() == COST_TAXONOMY.to_dict()


def test_a_record_of_a_taxonomy_is_made_one_before_it_is_used():
    with pytest.raises(
        InputError, match=r"^taxonomy: got dict\. Pass a CostTaxonomy, such as CostTaxonomy\(\*\*record"
    ):
        prepare_ledger(lines(category=["it"]), taxonomy=COST_TAXONOMY.to_dict())


def test_an_extended_taxonomy_knows_the_names_of_both():
    ours = COST_TAXONOMY.extended(
        categories={"travel": ["flights"], "it": ["Chat bot"]}, stages=["revival"], aliases={"差旅": "travel"}
    )
    frame = lines(category=["差旅", "it"], stage=["Revival", "loss"], subcategory=["FLIGHTS", "chat_bot"])
    ledger = prepare_ledger(frame, stage="stage", subcategory="subcategory", taxonomy=ours)
    assert ledger.frame["category"].tolist() == ["travel", "it"]
    assert ledger.frame["stage"].tolist() == ["revival", "loss"]
    assert ledger.frame["subcategory"].tolist() == ["flights", "Chat bot"]
    assert "travel" not in COST_TAXONOMY.categories


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"categories": {}}, "categories: there is none"),
        ({"categories": {"a": [], "A ": []}}, "categories: 'a' and 'A ' are one name"),
        ({"categories": {"a": ["x", "X"]}}, "'x' and 'X' are one name"),
        ({"categories": {" - ": []}}, "categories: got ' - '"),
        ({"stages": []}, "stages: there is none"),
        ({"aliases": {"b": "nothing"}}, "aliases: 'b' stands for 'nothing', which is no category or stage"),
        ({"aliases": {"LOSS": "a"}}, "aliases: 'LOSS' stands for 'a', but is a name of its own"),
        ({"aliases": {"b": "a", "B": "loss"}}, "aliases: 'B' stands for 'loss', but for 'a' as well"),
    ],
)
def test_a_taxonomy_with_names_of_no_or_two_meanings_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        CostTaxonomy(**{"categories": {"a": []}, "stages": ["loss"]} | wrong)


def test_subcategories_get_the_spelling_of_the_taxonomy():
    frame = lines(category=["it", "it", "it"], subcategory=["Software_Licenses", "CLOUD", None])
    ledger = prepare_ledger(frame, subcategory="subcategory")
    assert ledger.frame["subcategory"].fillna("-").tolist() == ["software licenses", "cloud", "-"]


def test_an_unknown_subcategory_is_refused_with_the_nearest_and_the_way_to_add_it():
    frame = lines(category=["it", "staff"], subcategory=["cloud", "salary"])
    with pytest.raises(InputError) as error:
        prepare_ledger(frame, subcategory="subcategory")
    assert str(error.value) == (
        "subcategory: unknown name 'salary' in 1 of 2 rows (row 1). Did you mean 'salaries' for 'salary'? Use one of "
        "'recruiting', 'training', 'salaries', 'benefits', 'incentives'. These are the subcategories of 'staff'; add "
        "yours by taxonomy=COST_TAXONOMY.extended(categories={'staff': [...]})."
    )
    with pytest.raises(InputError, match=r"unknown name 'cloud', 'salary' in 2 of 2 .* subcategories of 'staff';"):
        prepare_ledger(frame.assign(category="staff"), subcategory="subcategory")
    ours = COST_TAXONOMY.extended(categories={"staff": ["salary"]})
    ledger = prepare_ledger(frame, subcategory="subcategory", taxonomy=ours)
    assert ledger.frame["subcategory"].tolist() == ["cloud", "salary"]


def test_a_category_without_subcategories_takes_any():
    ours = CostTaxonomy(categories={"travel": [], "it": ["cloud"]}, stages=["loss"])
    frame = lines(category=["travel", "it"], subcategory=["Rome", "Cloud"])
    ledger = prepare_ledger(frame, subcategory="subcategory", taxonomy=ours)
    assert ledger.frame["subcategory"].tolist() == ["Rome", "cloud"]
