"""The files of a new project, made from the templates in `template/`.

The checkout's own params.yaml and dvc.yaml come from the same templates. A test compares them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources

from jinja2 import Environment, StrictUndefined

from microfacial.datasets import DATASETS
from microfacial.datasets.label_schemes import MEGC2019_MAPS, SCHEMES
from microfacial.errors import ConfigError

_COMMENT_COLUMN = 24  # of the comments in params.yaml, without the indentation
# The first that has all corpora is proposed.
_SCHEMES = ("4dme-5", "casme-4", "casme_sq-4", "dfme-7", "casme2-5", "samm-5", "mmew-4", "casme3-4", "megc2019-3")
# In part A of CAS(ME)^3 the apex is often the onset. The others have no apexes.
_SPOTTED = {"casme3", "casme3_c", *(name for name in DATASETS if name.startswith("smic_"))}
_MAPS = "flow_maps"


@dataclass(frozen=True)
class DataSetChoice:
    """The settings that depend on the chosen corpora, as texts of params.yaml.

    Attributes:
        clips: keys of the section `clips`.
        faces: keys of the section `faces`.
        flow: keys of the section `flow`.
        train: keys of the section `train`.
    """

    clips: Mapping[str, str]
    faces: Mapping[str, str]
    flow: Mapping[str, str]
    train: Mapping[str, str]


def choose_settings(corpora: Sequence[str]) -> DataSetChoice:
    """Return the settings that fit some corpora.

    Args:
        corpora: keys of `DATASETS`, without repetitions.

    Raises:
        ConfigError: no label scheme has all of the corpora, or published maps are combined with a corpus of frames.
    """
    maps = _MAPS in corpora
    if maps and len(corpora) > 1:
        raise ConfigError(f"{_MAPS} are maps and not frames, so they cannot be combined. Make one project for them")
    vocabularies = {_vocabulary(corpus) for corpus in corpora}
    scheme = next((name for name in _SCHEMES if vocabularies <= SCHEMES[name].rules.keys()), None)
    if scheme is None:
        raise ConfigError(f"no label scheme has all of {', '.join(corpora)}. Make one project for each corpus")
    return DataSetChoice(
        clips={
            "name": "-".join(corpora),
            "corpora": f"[{', '.join(corpora)}]",
            "scheme": "casme2-4" if set(corpora) == {"demo"} else scheme,
            "missing_apex": "spotted" if _SPOTTED.intersection(corpora) else "midpoint",
        },
        faces={
            "method": "whole" if maps else "landmarks",
            "regions": "grid-28" if maps else "mission",
            "size_px": "28" if maps else "224",
        },
        flow={"method": "published" if maps else "variational"},
        train={"protocol": "composite" if maps or len(corpora) > 1 else "loso"},
    )


def render_params(choice: DataSetChoice) -> str:
    """Return params.yaml.

    Args:
        choice: the settings that depend on the corpora. All others have their defaults.
    """
    return _render("params.yaml.jinja", **asdict(choice))


def render_pipeline(*, sources: bool) -> str:
    """Return dvc.yaml.

    Args:
        sources: whether the stages depend on the source files in src/, as in the checkout. Otherwise they depend on the
            installed version.
    """
    return _render("dvc.yaml.jinja", sources=sources)


def read_template(name: str) -> str:
    """Return the text of a file in `template/`.

    Args:
        name: name of the file.
    """
    return (resources.files("microfacial.pipeline") / "template" / name).read_text(encoding="utf-8")


def check_corpora(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of corpora without repetitions.

    Args:
        names: names that a user gave.

    Raises:
        ConfigError: a name is not the name of a corpus.
    """
    for name in names:
        if name not in DATASETS:
            raise ConfigError(f"--corpus {name} is not a known corpus. Choose from {', '.join(DATASETS)}")
    return tuple(dict.fromkeys(names))


def _vocabulary(corpus: str) -> str:
    """Return the name under which label schemes list a corpus."""
    if any(corpus in scheme.rules for scheme in SCHEMES.values()):
        return corpus
    family = corpus.partition("_")[0] if corpus != _MAPS else corpus  # smic_hs, smic_e_vis: smic
    return {"demo": "casme2", _MAPS: MEGC2019_MAPS}.get(family, family)


def _render(name: str, **values: object) -> str:
    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["setting"] = _pad_setting
    return environment.from_string(read_template(name)).render(values)


def _pad_setting(key: str, value: str) -> str:
    """Return a line of params.yaml up to its comment."""
    line = f"{key}: {value}"
    return line.ljust(_COMMENT_COLUMN) if len(line) + 2 <= _COMMENT_COLUMN else f"{line}  "
