"""The drawn clips of the demo."""

from microfacial.datasets.synthetic.clips import plan_clips
from microfacial.datasets.synthetic.people import DemoPlan


def test_action_units_are_numbers_and_text() -> None:
    cells = [clip.action_units for clip in plan_clips(DemoPlan())]
    assert {type(cell) for cell in cells} == {int, str}
    assert any(str(cell).startswith(("L", "R")) for cell in cells)


def test_clip_names_are_unique_within_a_person() -> None:
    names = [(clip.subject, clip.name) for clip in plan_clips(DemoPlan())]
    assert len(set(names)) == len(names)


def test_the_apex_lies_between_onset_and_offset() -> None:
    assert all(clip.onset < clip.apex < clip.offset for clip in plan_clips(DemoPlan()))


def test_each_person_of_the_demo_has_six_clips_and_at_most_three_emotions() -> None:
    clips = [clip for clip in plan_clips(DemoPlan()) if clip.emotion != "others"]
    for subject in range(1, 11):
        emotions = [clip.emotion for clip in clips if clip.subject == subject]
        assert len(emotions) == 6
        assert len(set(emotions)) < 4
    counts = {emotion: sum(clip.emotion == emotion for clip in clips) for emotion in sorted({c.emotion for c in clips})}
    assert counts == {"disgust": 25, "happiness": 12, "repression": 11, "surprise": 12}
