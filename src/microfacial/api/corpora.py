"""Load the clips of one or several corpora from folders anywhere on disk."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from microfacial.datasets import ClipOptions, Dataset, PlacedRelease, find_dataset, find_scheme, list_clips_of
from microfacial.datasets.label_schemes import Scheme
from microfacial.errors import ConfigError
from microfacial.files import as_path
from microfacial.preprocessing.clip_jobs import complete_clip, require_own_frames
from microfacial.records import Clip
from microfacial.settings import check

Folder = str | Path


@dataclass(frozen=True, kw_only=True, repr=False)
class Clips:
    """The labelled clips of one or several corpora. It has a length, can be iterated over, and prints a summary.

    Attributes:
        clips: the clips, sorted by id.
        root: folder from which the paths of their frames start.
        corpora: names of the corpora.
        classes: names of the classes, in the order of labels.
        scheme: name of the label scheme.
        dropped: number of clips that were left out, by their emotion or another reason.
    """

    clips: tuple[Clip, ...]
    root: Path
    corpora: tuple[str, ...]
    classes: tuple[str, ...]
    scheme: str
    dropped: Mapping[str, int]

    def __post_init__(self) -> None:
        """Turn any iterable of clips into a tuple, because it is read several times.

        Raises:
            ConfigError: the clips are something else.
        """
        clips = tuple(self.clips) if isinstance(self.clips, Iterable) else (self.clips,)
        others = [type(clip).__name__ for clip in clips if not isinstance(clip, Clip)]
        if others:
            raise ConfigError(f"Clips: clips must be those of load_corpus, found {others[0]}. Correct them")
        object.__setattr__(self, "clips", clips)

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    def __repr__(self) -> str:
        return f"<{self.describe()}>"

    def describe(self) -> str:
        """Return the numbers of clips, subjects and classes in one line."""
        labels = Counter(clip.label for clip in self.clips)
        subjects = len({clip.person for clip in self.clips})
        counts = ", ".join(f"{label} {labels[label]}" for label in self.classes)
        dropped = ", ".join(f"{reason} {count}" for reason, count in sorted(self.dropped.items()))
        text = f"{len(self)} clips of {subjects} subjects in {', '.join(self.corpora)}, scheme {self.scheme}: {counts}"
        return f"{text}; left out: {dropped}" if dropped else text

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row per clip and the columns of `Clip`, with the clip's id as the index."""
        names = [field.name for field in fields(Clip) if field.name != "numbers"]
        rows = [{"id": clip.id, **{name: getattr(clip, name) for name in names}} for clip in self.clips]
        return pd.DataFrame(rows).set_index("id")


def load_corpus(
    corpus: str | Dataset | Mapping[str, Folder],
    folder: Folder | None = None,
    *,
    scheme: str | Scheme,
    apex: str = "annotated",
    missing_apex: str = "midpoint",
    max_frame_gap: int = 3,
    exclude: Sequence[str] = (),
    progress: bool = True,
) -> Clips:
    """Read the annotations of one or several corpora, and find the frames of their clips.

    Args:
        corpus: name of a corpus, such as `casme2`, or a `Dataset` of your own. For several corpora, a mapping of names
            to folders.
        folder: folder of the release. Leave it out if `corpus` is a mapping.
        scheme: name of a label scheme, such as `casme2-5`, or a `Scheme` of your own.
        apex: source of all apexes: `annotated`, `midpoint` or `spotted`.
        missing_apex: what replaces a missing or impossible annotated apex: `midpoint` or `spotted`.
        max_frame_gap: greatest distance, in frames, of the frame that replaces a missing key frame.
        exclude: ids of clips to leave out, such as `casme2/sub04/EP12_01f`.
        progress: whether to show a progress bar while frames are read.

    Returns:
        The clips.

    Raises:
        ConfigError: the corpus or the scheme does not exist, or another argument is wrong.
        DatasetError: the release is missing or damaged, has no clip of the scheme, or two people have the same frames.

    Example:
        >>> clips = mf.load_corpus("casme2", "/data/CASME2", scheme="casme2-5")
        >>> both = mf.load_corpus({"casme2": "/data/CASME2", "samm": "/data/SAMM"}, scheme="megc2019-3")
    """
    options = check(
        {"apex": apex, "missing_apex": missing_apex, "max_frame_gap": max_frame_gap, "exclude": exclude},
        ClipOptions,
        "load_corpus",
    )
    labels = scheme if isinstance(scheme, Scheme) else find_scheme(scheme)
    placed = _place(corpus, folder)
    listing = list_clips_of(
        [release for _, release in placed],
        labels,
        ignore_apex=options.apex != "annotated",
        max_frame_gap=options.max_frame_gap,
        exclude=options.exclude,
    )
    root = placed[0][1].root
    bar = tqdm(listing.clips, desc="clips", unit="clip", disable=not progress)
    clips = tuple(complete_clip(clip, root, spots=options.spots) for clip in bar)
    require_own_frames(clips)
    return Clips(
        clips=clips,
        root=root,
        corpora=tuple(name for name, _ in placed),
        classes=labels.classes,
        scheme=labels.name,
        dropped=dict(listing.dropped),
    )


def _place(corpus: str | Dataset | Mapping[str, Folder], folder: Folder | None) -> list[tuple[str, PlacedRelease]]:
    """Return the name and the place of each release. All places start from one folder."""
    if isinstance(corpus, Mapping):
        if folder is not None or not corpus:
            raise ConfigError("load_corpus: a mapping needs at least one corpus, and no other folder. Correct the call")
        corpora = [(name, find_dataset(name), path) for name, path in corpus.items()]
    elif folder is None:
        raise ConfigError("load_corpus needs the folder of the release as its second argument. Add it")
    elif isinstance(corpus, Dataset):
        corpora = [(corpus.folder, corpus, folder)]
    else:
        corpora = [(corpus, find_dataset(corpus), folder)]
    folders = [as_path(path, "load_corpus: the folder").absolute() for _, _, path in corpora]
    root = Path(os.path.commonpath([path.parent for path in folders]))
    return [
        (name, PlacedRelease(dataset=dataset, root=root, folder=path.relative_to(root).as_posix()))
        for (name, dataset, _), path in zip(corpora, folders, strict=True)
    ]
