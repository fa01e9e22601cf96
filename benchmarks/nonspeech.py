"""Measure how often a bundle detects speech in folders of recordings, with speech or without.

    python benchmarks/nonspeech.py --model BUNDLE FOLDER [FOLDER ...] [--clips 100]

From every folder, up to --clips recordings are drawn; of a long recording, a piece of three seconds is used.  Prints a
Markdown table.  Debian's packages ``sonic-pi-samples`` and ``supertux-data`` contain free sounds without speech (music
and effects; ``apt-get download`` them, unpack with ``dpkg-deb -x``).
"""

import argparse
from pathlib import Path

import numpy as np

from emotone import audio
from emotone.errors import EmotoneError
from emotone.recognition.recognizer import Recognizer

SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".mp3", ".opus", ".m4a"}
LONG_S, PIECE_S = 8.0, 3.0


def main() -> None:
    """Print a row per folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of recordings, searched through")
    parser.add_argument("--model", required=True, help="a bundle that checks for speech")
    parser.add_argument("--clips", type=int, default=100, help="recordings of each folder, at most")
    chosen = parser.parse_args()
    recognizer = Recognizer(chosen.model)
    if not recognizer.checks_speech:
        raise SystemExit(f"{chosen.model} does not check for speech; train one that does: --model adaptive")
    print("| folder | recordings | taken for speech, % | could not be read |")
    print("|---|---|---|---|")
    for folder in chosen.folders:
        rng = np.random.default_rng(0)
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        drawn = [files[row] for row in sorted(rng.permutation(len(files))[: chosen.clips])]
        answers = [_is_speech(recognizer, path, rng) for path in drawn]
        known = [answer for answer in answers if answer is not None]
        share = f"{100 * np.mean(known):.1f}" if known else "-"
        print(f"| {folder.name} | {len(known)} | {share} | {len(answers) - len(known)} |", flush=True)


def _is_speech(recognizer: Recognizer, path: Path, rng: np.random.Generator) -> bool | None:
    """Check whether the bundle detects speech; None if the recording can't be read."""
    try:
        duration_s = audio.info(path).duration_s
        start_s = float(rng.uniform(0, duration_s - PIECE_S)) if duration_s > LONG_S else 0.0
        end_s = start_s + PIECE_S if duration_s > LONG_S else None
        return recognizer.predict(path, start_s=start_s, end_s=end_s).is_speech
    except EmotoneError:
        return None


if __name__ == "__main__":
    main()
