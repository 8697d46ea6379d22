"""Describe what was followed and spotted in a film: its people, its movements, and the reason if there are none."""

from collections.abc import Mapping

from microfacial.inference.film_answer import Event, PersonAnswer, UnjudgedFrames
from microfacial.inference.follow_film import FollowedFilm, FollowedPerson
from microfacial.preprocessing.person_spotter import SpottedEvent

# A longer movement is a micro-expression, too, if it takes at most this time from onset to apex.
# Source: Yan et al., J. Nonverbal Behav. 2013, doi:10.1007/s10919-013-0159-8.
_LONGEST_RISE_S = 0.26

_THRESHOLD = 1.0  # the signal is a multiple of the threshold


def describe_person(number: int, person: FollowedPerson, followed: FollowedFilm, has_events: bool) -> PersonAnswer:
    """Return the signal of a person, and the frames that cannot be judged.

    Args:
        number: number of the person in the answer.
        person: the person.
        followed: the film.
        has_events: whether the person has movements.
    """
    spotter, times = person.person.spotter, followed.seconds
    return PersonAnswer(
        person=number,
        numbers=tuple(spotter.numbers),
        seconds=tuple(times[frame] for frame in spotter.numbers),
        signal=tuple(spotter.signal),
        threshold=_THRESHOLD,
        note=None if followed.slow or has_events else person.note,
        gaps=tuple(
            UnjudgedFrames(first=first, last=last, first_s=times[first], last_s=times[last], reason=reason)
            for first, last, reason in person.gaps()
        ),
        places=person.places,
    )


def make_event(number: int, event: SpottedEvent, person: FollowedPerson, times: Mapping[int, float]) -> Event:
    """Return a spotted movement before it is recognised. It has a reason if it must not be recognised.

    Args:
        number: number of the person in the answer.
        event: the movement.
        person: the person.
        times: time of each frame in seconds from the first frame, by its number.
    """
    moments = (event.onset, event.apex, event.offset)
    onset_s, apex_s, offset_s = (times[moment] for moment in moments)
    abstained = next((person.faults[moment] for moment in moments if moment in person.faults), None)
    if abstained is None and event.kind != "micro" and apex_s - onset_s > _LONGEST_RISE_S:
        abstained = (
            f"it lasts {offset_s - onset_s:.2f} s, longer than the micro-expressions that the models are trained on"
        )
    return Event(
        person=number,
        onset=event.onset,
        apex=event.apex,
        offset=event.offset,
        onset_s=onset_s,
        apex_s=apex_s,
        offset_s=offset_s,
        score=event.score,
        kind=event.kind,
        abstained=abstained,
    )


def explain_no_event(followed: FollowedFilm) -> str:
    """Return why a film has no events.

    Args:
        followed: the film.
    """
    if followed.slow:
        return followed.slow
    if not followed.people:
        return "no face was found. Crop the frames to the face, or use a film that shows one"
    most = max(followed.people, key=lambda person: len(person.places))
    if len(most.faults) > 0.5 * len(most.places):
        reasons = list(most.faults.values())
        return max(set(reasons), key=reasons.count)
    return most.note
