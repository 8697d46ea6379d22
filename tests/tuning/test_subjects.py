from dataclasses import replace

import pytest

from fakes import make_data
from microfacial.errors import ConfigError, ProtocolError
from microfacial.tuning.subjects import choose_tuning_subjects, divide_into_outer_groups


def test_a_study_tunes_on_every_second_subject_of_each_corpus_or_on_the_listed_subjects() -> None:
    data = make_data(subjects=8)
    others = {f"s{number:02d}": f"s{number - 5:02d}" for number in (5, 6, 7)}  # become subjects of another corpus
    clips = tuple(
        replace(clip, corpus="d", subject=others[clip.subject]) if clip.subject in others else clip
        for clip in data.clips
    )
    two_corpora = replace(data, clips=clips, store=replace(data.store, clips=tuple(clip.id for clip in clips)))
    assert choose_tuning_subjects(two_corpora, ()) == ("c/s00", "c/s02", "c/s04", "d/s00", "d/s02")
    assert choose_tuning_subjects(two_corpora, ("d/s01", "c/s03")) == ("c/s03", "d/s01")


def test_under_holdout_a_study_tunes_on_all_subjects_that_are_not_held_out() -> None:
    data = make_data(4, protocol="holdout", holdout=("c/s02",))
    assert choose_tuning_subjects(data, ()) == ("c/s00", "c/s01", "c/s03")


def test_held_out_subjects_are_refused_as_tuning_subjects() -> None:
    data = make_data(4, protocol="holdout", holdout=("c/s02",))
    assert choose_tuning_subjects(data, ("c/s00", "c/s01")) == ("c/s00", "c/s01")
    with pytest.raises(ConfigError, match=r"study\.tuning_subjects: c/s02 .*train\.holdout"):
        choose_tuning_subjects(data, ("c/s00", "c/s02"))
    everyone = make_data(4, protocol="loso", holdout=("c/s02",))  # `loso` ignores the list
    assert choose_tuning_subjects(everyone, ("c/s00", "c/s02")) == ("c/s00", "c/s02")


@pytest.mark.parametrize(("held_out", "named"), [((), "empty"), (("c/s7",), "c/s7.*c/s00")])
def test_a_wrong_holdout_is_refused_before_the_search(held_out: tuple[str, ...], named: str) -> None:
    with pytest.raises(ProtocolError, match=rf"train\.holdout.*{named}"):
        choose_tuning_subjects(make_data(4, protocol="holdout", holdout=held_out), ("c/s00", "c/s01"))


def test_unknown_subjects_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"study\.tuning_subjects: .*c/s7.*c/s00"):
        choose_tuning_subjects(make_data(3), ("c/s7",))


def test_tuning_on_all_subjects_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"study\.tuning_subjects .* all 3 subjects"):
        choose_tuning_subjects(make_data(3), ("c/s00", "c/s01", "c/s02"))


def test_outer_groups_contain_each_subject_once() -> None:
    groups = divide_into_outer_groups(make_data(), 3, 0)
    assert len(groups) == 3
    assert sorted(name for group in groups for name in group) == [f"c/s{number:02d}" for number in range(8)]


def test_outer_groups_need_a_protocol_that_tests_each_subject() -> None:
    with pytest.raises(ProtocolError, match=r"train\.protocol holdout"):
        divide_into_outer_groups(make_data(protocol="holdout", holdout=("c/s01",)), 3, 0)


def test_more_outer_groups_than_subjects_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"study\.outer_groups 9: .* 8 subjects"):
        divide_into_outer_groups(make_data(), 9, 0)
