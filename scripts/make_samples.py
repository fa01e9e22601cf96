"""Make the clips in ``samples/``: synthetic speech by espeak-ng, written as WAV, FLAC, Ogg Vorbis and MP3.

Run as ``python scripts/make_samples.py [FOLDER]``; needs the program espeak-ng (``apt-get install espeak-ng``), the
same version of which speaks the same samples.  A program speaks, so the project contains no person's voice.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from emotone import audio
from emotone.preprocessing import DEFAULT as PREPROCESSING

FOLDER = Path(__file__).resolve().parent.parent / "samples"
#: The page of the service has some of the clips too, so that they come with the package.
PAGE = FOLDER.parent / "src" / "emotone" / "serve" / "page" / "assets"
SENTENCE = "The blue box is on the kitchen table."
VOICES = {"woman": "en-us+f3", "man": "en-us+m3", "anna": "en-us+Annie", "ben": "en-us+m4"}
PAUSE_S = 0.8


@dataclass(frozen=True)
class Style:
    """How espeak-ng speaks.

    Attributes
    ----------
    words_per_minute
        Option ``-s``.
    pitch
        Option ``-p``, 0 to 99; 50 is the voice's own.
    amplitude
        Option ``-a``, 0 to 200; 100 is the voice's own.
    range_percent
        SSML's ``prosody range``: how far the pitch moves, 100 is the voice's own.
    """

    words_per_minute: int
    pitch: int
    amplitude: int
    range_percent: int


PLAIN = Style(words_per_minute=165, pitch=50, amplitude=100, range_percent=100)
#: File -> who speaks, and how.  The styles were found by trial, so that the built-in model gives different answers.
CLIPS = {
    "woman_plain.wav": ("woman", PLAIN),
    "woman_lively.wav": ("woman", Style(words_per_minute=210, pitch=46, amplitude=120, range_percent=300)),
    "woman_subdued.wav": ("woman", Style(words_per_minute=92, pitch=44, amplitude=76, range_percent=300)),
    "man_plain.wav": ("man", PLAIN),
    "man_lively.wav": ("man", Style(words_per_minute=195, pitch=95, amplitude=140, range_percent=200)),
    "man_subdued.flac": ("man", Style(words_per_minute=98, pitch=2, amplitude=96, range_percent=400)),
    "man_tense.mp3": ("man", Style(words_per_minute=210, pitch=60, amplitude=180, range_percent=50)),
}
#: One long recording, for timelines: (voice, style, text), with a pause after each.
CONVERSATION = (
    ("anna", Style(165, 55, 100, 10), "Good morning. Did you find the blue box that I left in the kitchen?"),
    ("ben", Style(200, 20, 150, 75), "Yes, it is on the table, next to the letters."),
    ("anna", Style(216, 21, 100, 200), "Wonderful! Then we can go to the station right away!"),
    ("ben", Style(120, 0, 126, 150), "The train was cancelled. There is no other one today."),
    ("anna", Style(214, 21, 100, 200), "Never mind! We can take the bus right away!"),
    ("ben", Style(112, 26, 118, 200), "Yes, and we have time for a cup of coffee."),
)


def command(voice: str, style: Style, text: str) -> list[str]:
    """Give the command that speaks ``text`` and writes a WAV file to its standard output."""
    marked_up = f'<speak><prosody range="{style.range_percent}%">{text}</prosody></speak>'
    settings = ["-s", style.words_per_minute, "-p", style.pitch, "-a", style.amplitude]
    return ["espeak-ng", "--stdout", "-m", "-v", VOICES[voice], *map(str, settings), marked_up]


def speak(voice: str, style: Style, text: str) -> np.ndarray:
    """Speak a text: (n,) float32 at 16 kHz, without silence at its ends."""
    try:
        spoken = subprocess.run(command(voice, style, text), capture_output=True, check=True).stdout
    except FileNotFoundError:
        sys.exit("espeak-ng is not installed, and the samples are made by it: apt-get install espeak-ng")
    return PREPROCESSING.apply(audio.read(spoken))


def write(path: Path, samples: np.ndarray) -> None:
    """Write samples (n,) at 16 kHz in the format that the suffix names, whole or not at all."""
    if path.suffix == ".wav":
        audio.write_wav(path, samples)
        return
    temporary = path.with_name(f".{path.name}.part")
    kind = {".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS"), ".mp3": ("MP3", "MPEG_LAYER_III")}[path.suffix]
    soundfile.write(temporary, samples, audio.SAMPLE_RATE, format=kind[0], subtype=kind[1])
    os.replace(temporary, path)


def conversation() -> np.ndarray:
    """Speak the long recording, (n,) float32 at 16 kHz."""
    pause = np.zeros(round(PAUSE_S * audio.SAMPLE_RATE), dtype=np.float32)
    turns = [part for voice, style, text in CONVERSATION for part in (speak(voice, style, text), pause)]
    return np.concatenate(turns[:-1])


def main() -> None:
    """Write every clip, and print its name, length and size."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    clips = {name: speak(voice, style, SENTENCE) for name, (voice, style) in CLIPS.items()}
    clips["conversation.ogg"] = conversation()
    for name, samples in clips.items():
        write(folder / name, samples)
        size_kb = (folder / name).stat().st_size / 1000
        if folder == FOLDER and (PAGE / name).exists():
            shutil.copyfile(folder / name, PAGE / name)
        print(f"{name:20} {samples.size / audio.SAMPLE_RATE:6.2f} s {size_kb:6.1f} kB")


if __name__ == "__main__":
    main()
