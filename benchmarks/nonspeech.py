"""How often a bundle takes recordings for speech: folders of voices, and of anything else.

    python benchmarks/nonspeech.py --model BUNDLE FOLDER [FOLDER ...] [--clips 100]

Of every folder so many recordings are drawn, and of a long one a piece of three seconds.  Prints a Markdown table.
Sounds that are no speech, free to use, are in Debian's packages ``sonic-pi-samples`` and ``supertux-data`` (music and
effects; ``apt-get download`` them, unpack with ``dpkg-deb -x``).
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
    """Print a row a folder."""
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
        told = [_is_speech(recognizer, path, rng) for path in drawn]
        known = [one for one in told if one is not None]
        share = f"{100 * np.mean(known):.1f}" if known else "-"
        print(f"| {folder.name} | {len(known)} | {share} | {len(told) - len(known)} |", flush=True)


def _is_speech(recognizer: Recognizer, path: Path, rng: np.random.Generator) -> bool | None:
    """Whether a recording is taken for speech; None if it can't be read."""
    try:
        duration_s = audio.info(path).duration_s
        start_s = float(rng.uniform(0, duration_s - PIECE_S)) if duration_s > LONG_S else 0.0
        end_s = start_s + PIECE_S if duration_s > LONG_S else None
        return recognizer.predict(path, start_s=start_s, end_s=end_s).is_speech
    except EmotoneError:
        return None


if __name__ == "__main__":
    main()
