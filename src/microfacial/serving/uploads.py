"""Receive the films of a request in temporary files, within limits."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from microfacial.errors import RequestError
from microfacial.inference.request_limits import FILM_TYPES, RequestLimits, find_film_suffix, find_picture_suffix

VIDEO, FRAMES = "video", "frames"
_OPTIONS = ("model", "fps")
_FILM_NAME = "film"
_HEAD_BYTES = 16  # enough to recognise each type
_COPY_BYTES = 2**20
_LONGEST_NAME = 80
_EXAMPLE = "for example `curl -F video=@clip.mp4 ADDRESS/predict`"
_NOT_A_FILE = f"Send the content of a file, {_EXAMPLE}; paths and addresses are refused"


@dataclass(frozen=True, kw_only=True)
class SentFilm:
    """A film that a request sent.

    Attributes:
        name: name for the answer.
        path: temporary file of a video, or temporary folder of frames.
    """

    name: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Upload:
    """The content of a request.

    Attributes:
        films: the films, at least one.
        options: values of `model` and `fps`, as text, where they are given.
    """

    films: tuple[SentFilm, ...]
    options: dict[str, str]


class _FormParser(MultiPartParser):
    """A parser that knows whether the form had its end. Starlette accepts the first part of a form.

    Attributes:
        is_complete: whether the last boundary was received.
    """

    is_complete = False

    def on_end(self) -> None:
        """Note the last boundary."""
        self.is_complete = True


async def receive_upload(request: Request, limits: RequestLimits, folder: Path) -> Upload:
    """Write the films of a request to a folder.

    The body is a form with the files `video` (one or several) or `frames` (pictures of one film, in their order), or
    it is the content of one video. Options are fields of the form, or parameters of the address.

    Args:
        request: the request. Its body has not been read.
        limits: limits of the body.
        folder: an empty temporary folder. File names in it do not depend on the request.

    Returns:
        The films and options.

    Raises:
        RequestError: the body is too large, cut off or sent too slowly, holds anything else than films, or an option is
            unknown or given twice.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limits.upload_bytes:
        raise _too_large(limits)
    options = _take_options(request.query_params.multi_items())
    most_files = max(limits.films, limits.frames) + 1
    is_form = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
    try:
        async with asyncio.timeout(limits.seconds):
            if not is_form:
                return Upload(films=(await _receive_video(request, limits, folder),), options=options)
            parser = _FormParser(request.headers, _read_body(request, limits), max_files=most_files, max_fields=8)
            form = await parser.parse()
            try:
                if not parser.is_complete:
                    raise RequestError("the form is cut off: its last boundary is missing. Send it again", 400)
                films = await _take_films(form, limits, folder)
                fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
                return Upload(films=films, options=_take_options([*options.items(), *fields]))
            finally:
                await form.close()
    except TimeoutError:
        raise RequestError(f"the film was not received within {limits.seconds:g} s. Send a smaller film", 408) from None
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise RequestError(f"the request has more than {most_files - 1} files. Send fewer", 413) from None
        raise RequestError(f"the form cannot be read ({error.message}). Send it as `curl -F` does", 400) from None
    except ClientDisconnect:
        raise HTTPException(400) from None


async def _read_body(request: Request, limits: RequestLimits) -> AsyncGenerator[bytes, None]:
    """Yield the body in pieces. Refuse it as soon as it is too large, whatever its header announces."""
    received = 0
    async for piece in request.stream():
        received += len(piece)
        if received > limits.upload_bytes:
            raise _too_large(limits)
        yield piece


def _too_large(limits: RequestLimits) -> RequestError:
    return RequestError(
        f"the request is larger than {limits.upload_bytes / 2**20:g} MB. Send a shorter or smaller film", 413
    )


async def _receive_video(request: Request, limits: RequestLimits, folder: Path) -> SentFilm:
    """Write a body that is one video to a file."""
    scratch = folder / "body"
    with scratch.open("wb") as stream:
        async for piece in _read_body(request, limits):
            stream.write(piece)
    with scratch.open("rb") as stream:
        suffix = find_film_suffix(stream.read(_HEAD_BYTES))
    if not suffix:
        raise RequestError(f"the body is no video ({FILM_TYPES}). {_NOT_A_FILE}", 415)
    return SentFilm(name=_FILM_NAME, path=scratch.rename(folder / f"film{suffix}"))


async def _take_films(form: FormData, limits: RequestLimits, folder: Path) -> tuple[SentFilm, ...]:
    """Copy the files of a form."""
    files = {VIDEO: form.getlist(VIDEO), FRAMES: form.getlist(FRAMES)}
    unknown = [name for name in form if name not in (*files, *_OPTIONS)]
    if unknown:
        raise RequestError(
            f"the form has a field {unknown[0][:_LONGEST_NAME]!r}. Its fields are video, frames, model and fps", 400
        )
    texts = [name for name, entries in files.items() if any(isinstance(entry, str) for entry in entries)]
    if texts:
        raise RequestError(f"{texts[0]} is a text, not a file. {_NOT_A_FILE}", 400)
    videos, frames = ([entry for entry in files[name] if isinstance(entry, UploadFile)] for name in (VIDEO, FRAMES))
    if bool(videos) == bool(frames):
        raise RequestError(f"the form needs either files `video` or files `frames`, {_EXAMPLE}", 400)
    if len(videos) > limits.films:
        raise RequestError(f"the request has {len(videos)} videos, more than {limits.films}. Send fewer at once", 413)
    if len(frames) > limits.frames:
        raise RequestError(f"the film has more than {limits.frames} frames. Send a shorter film", 413)
    if frames:
        return (await _copy_frames(frames, folder),)
    return tuple([await _copy_video(entry, folder / str(number)) for number, entry in enumerate(videos)])


async def _copy_video(entry: UploadFile, stem: Path) -> SentFilm:
    name = _clean_name(entry.filename)
    suffix = find_film_suffix(await entry.read(_HEAD_BYTES))
    if not suffix:
        raise RequestError(f"{name} is no video ({FILM_TYPES}). {_NOT_A_FILE}", 415)
    path = stem.with_suffix(suffix)
    await _copy(entry, path)
    return SentFilm(name=name, path=path)


async def _copy_frames(entries: Sequence[UploadFile], folder: Path) -> SentFilm:
    film = folder / "frames"
    film.mkdir()
    for number, entry in enumerate(entries, 1):
        suffix = find_picture_suffix(await entry.read(_HEAD_BYTES))
        if not suffix:
            raise RequestError(
                f"{_clean_name(entry.filename)} is no picture (png, jpg or bmp). Send each frame as a picture", 415
            )
        await _copy(entry, film / f"frame{number:06d}{suffix}")
    return SentFilm(name=_FILM_NAME, path=film)


async def _copy(entry: UploadFile, path: Path) -> None:
    await entry.seek(0)
    with path.open("wb") as stream:
        while piece := await entry.read(_COPY_BYTES):
            stream.write(piece)


def _take_options(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the options by name. Refuse unknown options, and options that are given twice."""
    options: dict[str, str] = {}
    for name, value in pairs:
        if name not in _OPTIONS:
            raise RequestError(f"there is no option {name[:_LONGEST_NAME]!r}. Options are model and fps", 400)
        if name in options:
            raise RequestError(f"{name} is given twice. Give it once", 400)
        options[name] = value
    return options


def _clean_name(name: str | None) -> str:
    """Return the sender's name of a file without folders and control characters, for messages only."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:_LONGEST_NAME] or _FILM_NAME
