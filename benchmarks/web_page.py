"""The page without a server beside Python: `python benchmarks/web_page.py --data DIR [--page FILE.md]`.

`emotone web` writes a page, headless Chromium opens it from a server of files on this machine, and 50 clips of several
corpora are answered there and in Python.  Opus is compared apart: browsers decode it with libopus, and Python with
FFmpeg's own decoder, whose samples differ.  So both get the samples of Python as WAV first, and then the files.

The exit status is 1 if a required value is missed.  Seconds are those of this machine with whatever else runs on it.
Parts that the file of --out holds already are not measured again.
"""

import argparse
import gzip
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import web_browser
from numpy.typing import NDArray

from emotone import audio, files, load_corpus
from emotone.cli import web_folder
from emotone.errors import EmotoneError
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.session import bundle_folder
from emotone.recognition.timeline import Timeline

#: Corpus -> number of its clips; the first is a folder of WAV files at 48 kHz.
CLIPS = {"ravdess_original_48k": 8, "ravdess": 7, "tess": 7, "nemo": 7, "emodb": 7, "savee": 7, "ased": 7}
#: What is required.
REQUIRED = {"difference": 0.02, "answer_s": 1.0, "mb": 30.0}
#: A change of the level by which a recording sounds the same.
_LOUDER = 1.00001
_TIMED, _TIMED_S = 10, 3.0
_STEP_S = 0.1
BEGIN, END = "<!-- begin of benchmarks/web_page.py -->", "<!-- end of benchmarks/web_page.py -->"
Waveform = NDArray[np.float32]


def clips_of(data: Path) -> list[Path]:
    """Return the clips, spread over each corpus."""
    chosen: list[Path] = []
    for name, n_clips in CLIPS.items():
        if name.endswith("_48k"):
            paths = sorted(str(path) for path in (data / name).rglob("*.wav"))
        else:
            paths = [str(path) for path in load_corpus(name, data=data).table["path"]]
        chosen += [Path(paths[at]) for at in np.linspace(0, len(paths) - 1, n_clips).round().astype(int)]
    return chosen


def compare_clips(
    site: web_browser.Site, recognizer: Recognizer, clips: Sequence[Path], folder: Path
) -> list[dict[str, Any]]:
    """Return how the answers to each clip differ."""
    rows = []
    for clip in clips:
        samples = audio.read(clip)
        shared = clip
        if clip.suffix == ".opus":
            shared = folder / f"{clip.stem}.wav"
            soundfile.write(shared, samples, audio.SAMPLE_RATE, subtype="FLOAT")
        expected, answered = recognizer.predict(shared), site.predict(shared)
        louder = recognizer.predict((samples * np.float32(_LOUDER), audio.SAMPLE_RATE))
        rows.append(
            {
                "clip": clip.name,
                "kind": f"{audio.info(clip).codec} {audio.info(clip).sample_rate} Hz",
                "difference": _difference(expected.scores, answered["scores"]),
                "as_file": _difference(expected.scores, site.predict(clip)["scores"]) if shared != clip else None,
                "same_emotion": expected.ranking[0] == max(answered["scores"], key=answered["scores"].__getitem__),
                "same_label": expected.label == answered["label"],
                "louder": _difference(expected.scores, louder.scores),
                "samples_db": _samples_db(samples, site.samples(clip)),
            }
        )
        print(f"{len(rows)} of {len(clips)}: {clip.name}: {rows[-1]['difference']:.4f}", file=sys.stderr, flush=True)
    return rows


def _difference(expected: Mapping[str, float], answered: Mapping[str, float]) -> float:
    return max(abs(expected[emotion] - answered[emotion]) for emotion in expected)


def _samples_db(expected: Waveform, answered: Waveform) -> float:
    """Return the level of the difference of samples at 16 kHz, dB below the sound; -150 if they are equal."""
    n = min(len(expected), len(answered))
    away = float(np.sum((expected[:n] - answered[:n]).astype(np.float64) ** 2))
    return 10 * float(np.log10(max(away / float(np.sum(expected[:n].astype(np.float64) ** 2)), 1e-15)))


def compare_timelines(site: web_browser.Site, recognizer: Recognizer, recordings: Sequence[Path]) -> dict[str, float]:
    """Return how much the timelines of recordings agree, at moments a tenth of a second apart."""
    same, differences, n_moments, lengths = 0, [], 0, []
    for recording in recordings:
        expected = recognizer.timeline(recording, adapt=True)
        answered = site.timeline(recording)
        lengths.append(expected.duration_s)
        for at in np.arange(_STEP_S / 2, expected.duration_s, _STEP_S):
            expected_part, page_part = _at(_segments(expected), at), _at(answered["segments"], at)
            n_moments += 1
            same += (expected_part or {}).get("label") == (page_part or {}).get("label")
            if expected_part and page_part:
                differences.append(_difference(expected_part["scores"], page_part["scores"]))
    return {
        "recordings": len(recordings),
        "seconds": sum(lengths),
        "same_label": same / n_moments,
        "median": statistics.median(differences),
        "most": max(differences),
    }


def _segments(timeline: Timeline) -> list[dict[str, Any]]:
    return [segment.to_dict() for segment in timeline.segments]


def _at(segments: Sequence[dict[str, Any]], at: float) -> dict[str, Any] | None:
    return next((segment for segment in segments if segment["start_s"] <= at < segment["end_s"]), None)


def compare_adaptation(site: web_browser.Site, recognizer: Recognizer, data: Path) -> list[dict[str, float]]:
    """Return how the answers to three speakers differ after adaptation to five clips of each."""
    rows = []
    for name in ("ravdess", "emodb", "savee"):
        table = load_corpus(name, data=data).table
        own = table[table["speaker"] == table["speaker"].iloc[0]]["path"].map(Path).tolist()
        picked = [own[at] for at in np.linspace(0, len(own) - 1, 6).round().astype(int)]
        profile = recognizer.adapt(picked[:5])
        expected, answered = recognizer.predict(picked[5], profile=profile), site.compare(picked[:5], picked[5])
        mean = np.array(answered["profile"]["mean"]) - np.array(profile.mean)
        rows.append(
            {
                "difference": _difference(expected.scores, answered["after"]["scores"]),
                "same": expected.label == answered["after"]["label"],
                "mean": float(np.linalg.norm(mean) / np.linalg.norm(profile.mean)),
            }
        )
    return rows


def joined(clips: Sequence[Path], folder: Path, name: str) -> Path:
    """Write clips with pauses between them as a WAV file at 48 kHz, and return it."""
    pause = np.zeros(audio.SAMPLE_RATE // 2, np.float32)
    sound = np.concatenate([part for clip in clips for part in (audio.read(clip), pause)])
    path = folder / name
    soundfile.write(path, np.repeat(sound, 3), 3 * audio.SAMPLE_RATE, subtype="PCM_16")
    return path


def sizes(folder: Path) -> dict[str, float]:
    """Return the megabytes of a page, as they are and compressed as a server sends them."""
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return {
        "mb": sum(map(len, contents)) / 1e6,
        "mb_compressed": sum(len(gzip.compress(content, 6)) for content in contents) / 1e6,
    }


def timed(site: web_browser.Site, clip: Path, folder: Path) -> dict[str, float]:
    """Return the seconds of predictions of `_TIMED_S` of sound, after the first: the median and the least."""
    samples = audio.read(clip)
    repeated = np.tile(samples, 1 + round(_TIMED_S * audio.SAMPLE_RATE) // len(samples))
    path = folder / "three_seconds.wav"
    soundfile.write(path, repeated[: round(_TIMED_S * audio.SAMPLE_RATE)], audio.SAMPLE_RATE, subtype="PCM_16")
    site.predict(path)
    seconds = []
    for _ in range(_TIMED):
        site.predict(path)
        seconds.append(site.seconds)
    return {"median": statistics.median(seconds), "least": min(seconds)}


def measure(data: Path, runtime: Path | None, *, model: str, known: dict[str, Any], out: Path | None) -> dict[str, Any]:
    """Write a page, open it, and return all figures; ``known`` parts are taken as they are."""
    recognizer = Recognizer(model)
    clips = clips_of(data)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        web_folder.write(folder / "site", bundle=bundle_folder(model), runtime=web_folder.runtime_folder(runtime))
        with web_browser.opened(folder / "site") as site:
            parts: dict[str, Callable[[], Any]] = {
                "clips": lambda: compare_clips(site, recognizer, clips, folder),
                "timeline": lambda: compare_timelines(site, recognizer, recordings_of(clips, folder)),
                "adaptation": lambda: compare_adaptation(site, recognizer, data) if recognizer.adapts else [],
                "answer_s": lambda: timed(site, clips[8], folder),
                "sizes": lambda: sizes(folder / "site"),
                "offline": lambda: site.works_offline(clips[8]),
            }
            for part, ask in parts.items():
                if part not in known:
                    known[part] = ask()
                    # what earlier sessions asked for counts too
                    known["outside"] = sorted({*known.get("outside", ()), *site.outside})
                    if out is not None:
                        files.write_json(out, known)
    return known


def recordings_of(clips: Sequence[Path], folder: Path) -> list[Path]:
    """Return three recordings of several utterances."""
    sample = Path(__file__).parents[1] / "samples" / "conversation.ogg"
    return [sample, *(joined(clips[at : at + 7], folder, f"joined_{at}.wav") for at in (8, 36))]


def markdown(result: Mapping[str, Any]) -> str:
    """Return the figures as a table."""
    clips, timeline, adapted = result["clips"], result["timeline"], result["adaptation"]
    differences, louder = [clip["difference"] for clip in clips], [clip["louder"] for clip in clips]
    kinds: dict[str, list[float]] = {}
    for clip in clips:
        kinds.setdefault(clip["kind"], []).append(clip["samples_db"])
    n = len(clips)
    as_files = [clip["as_file"] for clip in clips if clip["as_file"] is not None]
    rows = [
        ("clips with the same most probable emotion", f"{sum(clip['same_emotion'] for clip in clips)} of {n}"),
        ("clips with the same label", f"{sum(clip['same_label'] for clip in clips)} of {n}"),
        (
            "greatest difference of a score",
            f"{max(differences):.4f} (median of the clips {statistics.median(differences):.4f})",
        ),
        (
            f"the same in Python alone, when a clip is made louder by a factor of {_LOUDER}",
            f"{max(louder):.4f} (median {statistics.median(louder):.4f})",
        ),
        *(
            (f"samples at 16 kHz, {kind}: difference below the sound", f"{-max(values):.0f} dB ({len(values)} clips)")
            for kind, values in kinds.items()
        ),
        (
            "Opus files as they are: greatest difference of a score",
            f"{max(as_files, default=0):.4f} (median {statistics.median(as_files):.4f}, {len(as_files)} clips)",
        ),
        (
            f"timelines of {timeline['recordings']} recordings ({timeline['seconds']:.0f} s): same label at",
            f"{100 * timeline['same_label']:.1f} % of the moments",
        ),
        ("their scores: greatest difference at a moment", f"{timeline['most']:.4f} (median {timeline['median']:.4f})"),
    ]
    rows += _adaptation_rows(adapted) if adapted else []
    rows += [
        (
            f"answer to {_TIMED_S:g} s of sound, warm, one thread",
            f"{result['answer_s']['median']:.2f} s (least {result['answer_s']['least']:.2f} s)",
        ),
        ("requests to other addresses", str(len(result["outside"]))),
        ("works without a network after a visit", "yes" if result["offline"] else "no"),
        (
            "page, model and runtime, compressed",
            f"{result['sizes']['mb_compressed']:.1f} MB (as they are {result['sizes']['mb']:.1f} MB)",
        ),
    ]
    return "\n".join(["| what | measured |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)])


def _adaptation_rows(adapted: Sequence[Mapping[str, float]]) -> list[tuple[str, str]]:
    n_same = sum(bool(row["same"]) for row in adapted)
    return [
        ("speakers with the same label after adaptation to five clips", f"{n_same} of {len(adapted)}"),
        ("their scores: greatest difference", f"{max(row['difference'] for row in adapted):.4f}"),
        ("their profiles: difference of the mean embedding", f"{100 * max(row['mean'] for row in adapted):.2f} %"),
    ]


def problems(result: Mapping[str, Any]) -> list[str]:
    """Return which required values are missed."""
    clips = result["clips"]
    checks = {
        "scores differ": max(clip["difference"] for clip in clips) <= REQUIRED["difference"],
        "another emotion": all(clip["same_emotion"] for clip in clips),
        "slow": result["answer_s"]["median"] <= REQUIRED["answer_s"],
        "calls another address": not result["outside"],
        "does not work offline": result["offline"],
        "large": result["sizes"]["mb_compressed"] <= REQUIRED["mb"],
    }
    return [name for name, is_met in checks.items() if not is_met]


def _write(page: Path, text: str) -> None:
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    files.write_text(page, f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--runtime", type=Path, help="folder 'dist' of onnxruntime-web")
    parser.add_argument("--model", default="default", help="bundle")
    parser.add_argument("--out", type=Path, help="JSON file with all figures")
    parser.add_argument("--page", type=Path, help="document for the table, between its marks")
    options = parser.parse_args()
    try:
        known = json.loads(options.out.read_text()) if options.out is not None and options.out.exists() else {}
        result = measure(options.data, options.runtime, model=options.model, known=known, out=options.out)
    except EmotoneError as error:
        sys.exit(f"error: {error}")
    print(markdown(result))
    if options.page is not None:
        _write(options.page, markdown(result))
    missed = problems(result)
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
