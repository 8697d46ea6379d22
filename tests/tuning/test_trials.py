from microfacial.tuning.trials import State, StoredStudy, Trial, choose_best


def make_trial(number: int, value: float | None, state: State = "complete") -> Trial:
    return Trial(number=number, state=state, model="m", settings={}, params={}, scores={}, value=value, seconds=1.0)


def test_the_best_trial_is_the_first_of_the_complete_ones_with_the_highest_value() -> None:
    trials = [make_trial(0, 0.5), make_trial(1, None, "pruned"), make_trial(2, 0.7), make_trial(3, 0.7)]
    best = choose_best([make_trial(4, 0.9, "pruned"), *trials])
    assert best is not None
    assert best.number == 2


def test_there_is_no_best_trial_if_none_is_complete() -> None:
    assert choose_best([make_trial(1, None, "pruned")]) is None


def test_dead_running_and_waiting_trials_are_not_finished() -> None:
    states: list[State] = ["complete", "pruned", "failed", "died", "running", "waiting"]
    trials = tuple(make_trial(number, None, state) for number, state in enumerate(states))
    assert StoredStudy("s", {}, trials, None).finished == 3
