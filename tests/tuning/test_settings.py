import pytest

from microfacial.errors import ConfigError
from microfacial.settings import check
from microfacial.tuning.settings import StudyConfig


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [("keep", ["epochs"], "fixed_parameters"), ("minutes", 5, "max_minutes"), ("subjects", [], "tuning_subjects")],
)
def test_the_error_for_an_old_key_names_the_new_key(old: str, value: object, new: str) -> None:
    with pytest.raises(ConfigError, match=rf"study\.{old}: .*{new}"):
        check({old: value}, StudyConfig, "study")


def test_a_journal_is_for_one_worker() -> None:
    StudyConfig().require_storage_for(1)
    StudyConfig(storage="sqlite").require_storage_for(2)
    with pytest.raises(ConfigError, match=r"study\.storage.* 2 workers"):
        StudyConfig().require_storage_for(2)
