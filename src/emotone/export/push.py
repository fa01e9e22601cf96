"""Push a bundle to the Hugging Face hub, from where `emotone.Recognizer` loads it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotone import hub
from emotone.errors import BundleError, ConfigError
from emotone.recognition import card as cards
from emotone.recognition import model_card
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.session import bundle_folder

#: The bundle in a run directory; emotone.runs, which says so too, needs pandas.
_MODEL = "model"
#: The licence of a model whose owner has named none.
OTHER = "other"
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_TAGS = ("speech", "speech-emotion-recognition", "emotone", "onnx")


def push(source: str | Path, to: str, *, private: bool = False, licence: str = OTHER) -> str:
    """Push a bundle to the Hugging Face hub; ``emotone push`` does the same.

    The bundle is opened once before, so that no bundle is pushed that others can't open.  ``README.md`` on the hub is
    written anew each time: the model card, behind what the hub reads of it.

    Parameters
    ----------
    source
        A run directory of `emotone.train`, or a bundle.
    to
        ``hub:user/model``; the model is made there if it does not exist.
    private
        Whether only you may see it.
    licence
        An identifier of the hub, such as ``"cc-by-4.0"``, by which you give the model to others; "other" refers to the
        licences of the training recordings, which the model card lists.

    Returns
    -------
    The address with the commit, ``hub:user/model@commit``, which always loads this bundle.

    Raises
    ------
    BundleError
        It is no bundle, can't be opened, or has a link to a file elsewhere.
    ConfigError
        ``to`` or ``licence`` has another form.
    HubError
        You are not logged in, may not write there, or the hub can't be reached; or the model exists and is public, and
        ``private`` is set.
    MissingExtraError
        The extra ``hub`` is not installed, or a package that the bundle's features need.
    """
    address = hub.Address.parse(to)
    if not isinstance(licence, str) or not _LICENCE.fullmatch(licence):
        raise ConfigError(f"licence is {licence!r:.80}; expected an identifier of the hub, such as 'cc-by-4.0'")
    folder = _bundle_of(source)
    recognizer = Recognizer(folder)
    recognizer.close()
    card = recognizer.card
    names = [cards.CARD, cards.GRAPH, *([cards.ADAPTATION] if "adaptation" in card else [])]
    if (folder / cards.NOTICE).is_file():
        names.append(cards.NOTICE)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BundleError(f"{folder} lacks {', '.join(missing)}; copy the bundle again")
    _check_links(folder, names, is_downloaded=hub.is_address(source))
    files: dict[str, Path | bytes] = {name: folder / name for name in names}
    files[cards.README] = readme(card, licence=licence).encode()
    pushed = hub.push(
        files,
        address,
        private=private,
        obsolete=(cards.ADAPTATION, cards.NOTICE),
        message=f"Emotone bundle of {card['model']}, {card['sha256'][:12]}",
    )
    return str(pushed)


def readme(card: Mapping[str, Any], *, licence: str = OTHER) -> str:
    r"""Return the model card with its front matter, which the hub reads: licence, library, task, languages and tags.

    Examples
    --------
    >>> from emotone.recognition import card
    >>> from emotone.recognition.session import DEFAULT_FOLDER
    >>> print("\n".join(readme(card.read(DEFAULT_FOLDER), licence="cc-by-nc-4.0").splitlines()[:4]))
    ---
    license: cc-by-nc-4.0
    library_name: emotone
    pipeline_tag: audio-classification
    """
    lines = ["---", f"license: {licence}"]
    if licence == OTHER:
        lines += ["license_name: licences-of-the-training-recordings", "license_link: README.md"]
    lines += ["library_name: emotone", "pipeline_tag: audio-classification"]
    languages = sorted({str(corpus.get("language")) for corpus in card["training"].get("corpora", [])})
    known = [language for language in languages if _LANGUAGE.fullmatch(language)]
    for name, values in (("language", known), ("tags", _TAGS)):
        # in quotes: the language "no" would be false
        lines += [f"{name}:", *(f'- "{value}"' for value in values)] if values else []
    return "\n".join([*lines, "---", "", model_card.readme(card)])


def _check_links(folder: Path, names: list[str], *, is_downloaded: bool) -> None:
    """Raise BundleError for a link out of a bundle: in one of a stranger it can be a file that is yours alone.

    The cache of the hub has links to its own files.
    """
    place = folder.resolve()
    outside = [name for name in names if not (folder / name).resolve().is_relative_to(place)]
    if outside and not is_downloaded:
        raise BundleError(
            f"{outside[0]} in {folder} is a link to {str((folder / outside[0]).resolve())!r}, expected a file of the "
            "bundle; if it is meant to be pushed, put a copy in the place of the link"
        )


def _bundle_of(source: str | Path) -> Path:
    """Return the bundle of a run directory, or a bundle itself."""
    folder = bundle_folder(source)
    return folder / _MODEL if (folder / _MODEL / cards.CARD).is_file() else folder
