"""The finding of the report in one sentence."""

from collections.abc import Sequence

from microfacial.report.results import SIMPLE_MODELS, ModelResult, rank_results

_NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def state_finding(results: Sequence[ModelResult]) -> str:
    """Say in one sentence whether any network is better than the best simple model.

    The sentence claims no more than the intervals of the differences allow.

    Args:
        results: Results of all models, with comparisons.
    """
    networks = [result for result in rank_results(results) if result.against_best and result.model not in SIMPLE_MODELS]
    if not networks or not networks[0].against_best:
        first = rank_results(results)[0]
        return (
            f"{first.model} has the highest UF1, {first.evaluation.overall.uf1:.3f}; "
            "nothing is compared, because there is no network or no simple model."
        )
    simple = f"the best simple model, {networks[0].against_best.baseline}"
    better = [result for result in networks if _differs(result, 1)]
    worse = [result for result in networks if _differs(result, -1)]
    alike = len(networks) - len(better) - len(worse)
    if not better and not worse:
        return f"No network can be told apart from {simple}, by UF1."
    if not better and not alike:
        return f"No network is as good as {simple}, by UF1."
    if not better:
        return f"No network is shown to be better than {simple}, by UF1{_describe_others(alike, worse)}."
    gains = ", ".join(
        f"{result.model} ({result.against_best.uf1_difference:+.3f})" for result in better if result.against_best
    )
    if len(networks) == 1:
        return f"By its 95 % interval, {gains} is better than {simple}, in UF1."
    # The number of intervals belongs to the claim, because some of many intervals exclude zero by chance.
    verb, lie = ("is", "lies") if len(better) == 1 else ("are", "lie")
    return (
        f"By uncorrected 95 % intervals, {gains} {verb} better than {simple}, in UF1: {_spell(len(better))} of "
        f"{_spell(len(networks))} intervals {lie} above zero{_describe_others(alike, worse)}."
    )


def _differs(result: ModelResult, sign: int) -> bool:
    """Return whether the interval of the difference lies wholly on one side of zero, above (1) or below (-1)."""
    comparison = result.against_best
    return comparison is not None and comparison.tells_apart and comparison.uf1_difference * sign > 0


def _describe_others(alike: int, worse: Sequence[ModelResult]) -> str:
    """Describe the networks that are not better."""
    clauses = []
    if alike:
        clauses.append(f"{_spell(alike)} {'network' if alike == 1 else 'networks'} cannot be told apart from it")
    if worse:
        clauses.append(f"{', '.join(result.model for result in worse)} {'is' if len(worse) == 1 else 'are'} worse")
    return f"; {', and '.join(clauses)}" if clauses else ""


def _spell(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)
