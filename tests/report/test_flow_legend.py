import pytest

from microfacial.records import FlowUnit
from microfacial.report.flow_legend import explain_flow


@pytest.mark.parametrize(
    ("unit", "head_motion", "shown", "hidden"),
    [
        ("px", "similarity-twice", ["similarity-twice", "Drift", "0.2 px"], ["Published maps"]),
        ("px", "off", ["contains the motion of the head"], ["is removed"]),
        ("stretched", "off", ["Published maps", "1 levels"], ["Drift", "flow.head_motion"]),
    ],
)
def test_the_legend_explains_the_unit_and_the_motion_of_the_head(
    unit: FlowUnit, head_motion: str, shown: list[str], hidden: list[str]
) -> None:
    text = " ".join(explain_flow(unit, head_motion))
    assert all(words in text for words in shown)
    assert not any(words in text for words in hidden)
