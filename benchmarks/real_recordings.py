"""How recordings of everyday life are read: length, level, artefacts, screams, silence, containers.

    python benchmarks/real_recordings.py --data DIR --bundle runs/held-out/run/model [--page docs/results.md]

Recordings are made from the corpora: clips are joined, amplified, disturbed, and written in other containers.  Voices
are those of `held_out.TEST`, which the recogniser of `held_out.py` has never met; without --bundle it is the built-in
model, which knows them.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import av
import held_out
import numpy as np
import pandas as pd
from results import _write

from emotone import Recognizer, audio
from emotone.audio.speech_detector import SpeechDetector
from emotone.preprocessing import DEFAULT, ROBUST, Preprocessing
from emotone.recognition.stream import Stream

BEGIN, END = (
    "<!-- made by benchmarks/real_recordings.py: begin -->",
    "<!-- made by benchmarks/real_recordings.py: end -->",
)
RATE = 16_000
LENGTHS_S = (8, 12, 20, 60)
Row = tuple[str, str, str]


class Voices:
    """Clips of the voices that are tested, at a peak of 0.3, and the model's scores of each clip alone."""

    def __init__(self, recognizer: Recognizer, data: Path, speakers: tuple[str, ...]) -> None:
        table = held_out.table(data)
        kept = table["speaker"].isin(speakers) & table["emotion"].isin(recognizer.emotions)
        self.recognizer, self.table = recognizer, table[kept].reset_index(drop=True)
        self._clips: dict[int, np.ndarray] = {}
        self._scores: dict[int, np.ndarray] = {}

    def clip(self, row: int) -> np.ndarray:
        """Samples (n,) of a clip."""
        if row not in self._clips:
            samples = audio.read(self.table["path"][row])
            self._clips[row] = (0.3 * samples / np.abs(samples).max()).astype(np.float32)
        return self._clips[row]

    def scores(self, row: int) -> np.ndarray:
        """Scores (k,) of a clip alone."""
        if row not in self._scores:
            self._scores[row] = _scores(self.recognizer, self.clip(row))
        return self._scores[row]

    def some(self, n: int, *, seed: int) -> list[int]:
        """Rows of ``n`` clips."""
        return np.random.default_rng(seed).permutation(len(self.table))[:n].tolist()


def _scores(recognizer: Recognizer, samples: np.ndarray) -> np.ndarray:
    return np.array(list(recognizer.predict((samples, RATE)).scores.values()))


def joined(voices: Voices, *, n_sets: int) -> list[Row]:
    """Joined clips of one voice and emotion, against the mean of the scores of single clips."""
    rng = np.random.default_rng(0)
    groups = [group.index.to_numpy() for _, group in voices.table.groupby(["speaker", "emotion"]) if len(group) >= 3]
    rows = []
    for length_s in LENGTHS_S:
        right = {"joined": 0, "single clips": 0}
        calm = {"joined": 0.0, "mean": 0.0, "single clips": 0.0}
        for number in range(n_sets):
            group = groups[(number * 7) % len(groups)]
            chosen, samples = [], []
            while sum(map(len, samples)) < length_s * RATE:
                row = int(rng.choice([r for r in group if r not in chosen] or group))
                chosen.append(row)
                clip = voices.clip(row)
                samples.append(clip if number % 2 else np.append(DEFAULT.apply(clip), np.zeros(RATE // 10, np.float32)))
            truth = voices.table["emotion"][chosen[0]]
            answer = _scores(voices.recognizer, np.concatenate(samples)[: length_s * RATE].astype(np.float32))
            alone = np.stack([voices.scores(row) for row in chosen])
            names = np.array(voices.recognizer.emotions)
            right["joined"] += names[answer.argmax()] == truth
            right["single clips"] += names[alone.mean(axis=0).argmax()] == truth
            if truth != "calm":
                calm["joined"] += names[answer.argmax()] == "calm"
                calm["mean"] += names[alone.mean(axis=0).argmax()] == "calm"
                calm["single clips"] += float(np.mean(names[alone.argmax(axis=1)] == "calm"))
        shown = [f"{100 * right[kind] / n_sets:.0f} %" for kind in ("joined", "single clips")]
        false = (
            f"calm where it is false {calm['joined']:.0f}, mean of single clips {calm['mean']:.0f}, single clips "
            f"{calm['single clips']:.0f}"
        )
        rows.append(
            (
                f"clips of one emotion joined to {length_s} s, {n_sets} sets",
                "within 3 points",
                f"{shown[0]}, mean of single clips {shown[1]}; {false}",
            )
        )
    return rows


def repeated(voices: Voices, *, n_clips: int) -> list[Row]:
    """The same clip eight times."""
    changed = 0
    for row in voices.some(n_clips, seed=1):
        pause = np.zeros(RATE // 4, np.float32)
        eight = np.concatenate([part for _ in range(8) for part in (voices.clip(row), pause)])
        changed += _scores(voices.recognizer, eight).argmax() != voices.scores(row).argmax()
    return [(f"the same clip eight times: best emotion changed, of {n_clips}", "3", str(changed))]


def levels(voices: Voices, *, n_clips: int) -> list[Row]:
    """Gains from -60 to +20 dB."""
    n_found = same = total = 0
    for row in voices.some(n_clips, seed=2):
        clip = voices.clip(row) / 0.3
        for gain_db in (-60, -40, -20, 20):
            scaled = (clip * 10 ** (gain_db / 20)).astype(np.float32)
            total += 1
            n_found += bool(voices.recognizer.timeline((scaled, RATE)).segments)
            same += _scores(voices.recognizer, scaled).argmax() == voices.scores(row).argmax()
    return [
        (f"gain -60, -40, -20 and +20 dB: speech found, of {total}", f"{round(total * 78 / 80)}", str(n_found)),
        (f"gain -60, -40, -20 and +20 dB: answer unchanged, of {total}", str(total), str(same)),
    ]


def _tone(n: int, hz: float, peak: float) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * hz * np.arange(n) / RATE)).astype(np.float32)


def _click(clip: np.ndarray) -> np.ndarray:
    clicked = clip.copy()
    clicked[2000:2002] = 0.95, -0.95
    return clicked


ARTEFACTS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "offset 0.001": ("1", lambda clip: clip + np.float32(0.001)),
    "offset 0.01": ("1", lambda clip: clip + np.float32(0.01)),
    "hum of 50 Hz at 0.003": ("2", lambda clip: clip + _tone(len(clip), 50, 0.003)),
    "a click": ("2", _click),
    "a beep of 0.5 s before": ("4", lambda clip: np.append(_tone(RATE // 2, 1000, 0.3), clip)),
}


def artefacts(voices: Voices, *, n_clips: int) -> list[Row]:
    """Sounds that are not voice, with the preprocessing of the model, and with the robust one if that is another."""
    chosen, rows = voices.some(n_clips, seed=3), []
    own = voices.recognizer.preprocessing
    changed: dict[tuple[str, Preprocessing], int] = {}
    for preprocessing in {own, ROBUST}:
        voices.recognizer.preprocessing = preprocessing
        plain = [_scores(voices.recognizer, voices.clip(row)).argmax() for row in chosen]
        for name, (_, disturb) in ARTEFACTS.items():
            answers = [
                _scores(voices.recognizer, disturb(voices.clip(row)).astype(np.float32)).argmax() for row in chosen
            ]
            changed[name, preprocessing] = sum(a != b for a, b in zip(answers, plain, strict=True))
    voices.recognizer.preprocessing = own
    for name, (required, _) in ARTEFACTS.items():
        shown = str(changed[name, own])
        if own != ROBUST:
            shown += f" as the model was trained, {changed[name, ROBUST]} with `preprocessing.ROBUST`"
        rows.append((f"{name}: best emotion changed, of {n_clips}", required, shown))
    return rows


def screams(recognizer: Recognizer, data: Path, *, every: int) -> list[Row]:
    """Share of the speech in RAVDESS' strong clips that is detected, all actors."""
    table = held_out.table(data)
    strong = table[(table["corpus"] == "ravdess") & (table["intensity"] == "strong")].iloc[::every]
    shares: dict[str, list[float]] = {}
    missed = 0
    for path, emotion in zip(strong["path"], strong["emotion"], strict=True):
        samples = audio.read(path)
        detected = _detected(recognizer, samples)
        loud = _loud(samples)
        shares.setdefault(emotion, []).append(float((detected & loud).sum() / loud.sum()))
        missed += not detected.any()
    means = {emotion: float(np.mean(values)) for emotion, values in shares.items()}
    worst = min(means, key=lambda emotion: means[emotion])
    return [
        ("screams, RAVDESS strong: share of speech covered, worst emotion", "0.90", f"{means[worst]:.2f} ({worst})"),
        (f"screams, RAVDESS strong: not found, of {len(strong)}", "0", str(missed)),
    ]


def _detected(recognizer: Recognizer, samples: np.ndarray) -> np.ndarray:
    detector = SpeechDetector(gate=recognizer.speech_gate)
    mask = np.zeros(len(samples), bool)
    for begin, end in _stretches(detector, samples):
        mask[begin:end] = True
    return mask


def _stretches(detector: SpeechDetector, samples: np.ndarray) -> list[tuple[int, int]]:
    edges = detector.push(samples) + detector.finish()
    return [(first.sample, last.sample) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def _loud(samples: np.ndarray) -> np.ndarray:
    """Samples in frames of 10 ms within 30 dB of the loudest."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    energy = (frames**2).mean(axis=1)
    mask = np.zeros(len(samples), bool)
    mask[: len(frames) * 160] = np.repeat(energy > energy.max() * 1e-3, 160)
    return mask


def composed(voices: Voices, *, n_recordings: int, rate: int) -> list[Row]:
    """Edges of stretches in recordings of six voices and silence with the noise of a room."""
    import soxr

    rng = np.random.default_rng(rate)
    off = total = 0
    for _ in range(n_recordings):
        noise_db = rng.choice([-80, -70, -60, -50])
        pieces, edges, at = [], [], 0
        for row in rng.choice(len(voices.table), 6, replace=False):
            clip = DEFAULT.apply(voices.clip(int(row)))
            pause = round(rng.uniform(1.5, 3) * RATE)
            pieces += [np.zeros(pause, np.float32), clip]
            loud = np.flatnonzero(_loud(clip))
            edges.append((at + pause + int(loud[0]), at + pause + int(loud[-1])))
            at += pause + len(clip)
        samples = np.concatenate([*pieces, np.zeros(2 * RATE, np.float32)])
        samples += (10 ** (noise_db / 20) * rng.standard_normal(len(samples))).astype(np.float32)
        if rate != RATE:
            samples = audio.read((soxr.resample(samples, RATE, rate), rate))
        stretches = _stretches(SpeechDetector(gate=voices.recognizer.speech_gate), samples)
        for begin, end in edges:
            near = [s for s in stretches if s[0] < end and s[1] > begin]
            total += 1
            tolerance = 0.3 * RATE
            off += not near or abs(near[0][0] - begin) > tolerance or abs(near[-1][1] - end) > tolerance
    required = {16_000: "3 of 72", 8_000: "5 of 72"}[rate]
    what = f"composed recordings at {rate // 1000} kHz: stretches with an edge off by more than 0.3 s"
    return [(what, required, f"{off} of {total}")]


CONTAINERS = (
    ("mp3", "libmp3lame", 48_000), ("mp3", "libmp3lame", 16_000), ("mp2", "mp2", 48_000), ("ipod", "aac", 48_000),
    ("mp4", "aac", 44_100), ("mov", "aac", 48_000), ("mov", "pcm_s16le", 48_000), ("ipod", "alac", 48_000),
    ("3gp", "aac", 48_000), ("adts", "aac", 48_000), ("matroska", "aac", 48_000), ("matroska", "libopus", 48_000),
    ("matroska", "flac", 48_000), ("matroska", "pcm_s16le", 48_000), ("matroska", "libmp3lame", 48_000),
    ("matroska", "ac3", 48_000), ("webm", "libopus", 48_000), ("ogg", "libopus", 48_000), ("opus", "libopus", 48_000),
    ("ogg", "flac", 48_000), ("flac", "flac", 48_000), ("wav", "pcm_s16le", 48_000), ("wav", "pcm_s24le", 48_000),
    ("wav", "pcm_f32le", 48_000), ("wav", "pcm_mulaw", 8_000), ("wav", "pcm_alaw", 8_000), ("wav", "g726", 8_000),
    ("wav", "adpcm_ima_wav", 48_000), ("wav", "adpcm_ms", 48_000), ("w64", "pcm_s16le", 48_000),
    ("aiff", "pcm_s16be", 48_000), ("au", "pcm_s16be", 48_000), ("caf", "pcm_s16le", 48_000),
    ("voc", "pcm_s16le", 48_000), ("flv", "aac", 48_000), ("mpegts", "aac", 48_000), ("mpegts", "mp2", 48_000),
    ("avi", "libmp3lame", 48_000), ("ac3", "ac3", 48_000), ("amr", "libopencore_amrnb", 8_000),
)  # fmt: skip


def _muxed(samples: np.ndarray, kind: str, codec: str, rate: int) -> bytes:
    import soxr

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        resampled = soxr.resample(samples, RATE, rate).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(resampled[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        context = stream.codec_context
        resampler = av.AudioResampler(context.format, "mono", rate, frame_size=context.frame_size or 0)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def containers(voices: Voices) -> list[Row]:
    """One clip in 40 containers and codecs: of twenty, the one that the built-in model is most sure of."""
    recognizer = Recognizer()
    clip = max((3 * voices.clip(row) for row in voices.some(20, seed=4)), key=lambda c: _scores(recognizer, c).max())
    plain = _scores(recognizer, clip)
    wrong = []
    for kind, codec, rate in CONTAINERS:
        data = _muxed(clip, kind, codec, rate)
        scores = _scores_of(recognizer, data)
        off_s = max(abs(audio.info(data).duration_s - len(clip) / RATE), abs(len(audio.read(data)) - len(clip)) / RATE)
        most = 0.25 if rate == 8_000 else 0.05
        if scores.argmax() != plain.argmax() or np.abs(scores - plain).max() > most or off_s > 0.05:
            wrong.append(f"{kind}/{codec} ({np.abs(scores - plain).max():.2f}, {1000 * off_s:.0f} ms)")
    shown = f"{len(CONTAINERS) - len(wrong)}{'; not ' if wrong else ''}{', '.join(wrong)}"
    return [(f"containers and codecs, of {len(CONTAINERS)}: right", "all", shown)]


def _scores_of(recognizer: Recognizer, data: bytes) -> np.ndarray:
    return np.array(list(recognizer.predict(data).scores.values()))


def streams(voices: Voices, *, n_clips: int) -> list[Row]:
    """A stream's answer at the end of speech against the file's for the same segment, in chunks of any size."""
    rng = np.random.default_rng(5)
    largest = 0.0
    for row in voices.some(n_clips, seed=5):
        samples = np.concatenate([voices.clip(row), np.zeros(RATE, np.float32)])
        stream, at, events = Stream(voices.recognizer), 0, []
        while at < len(samples):
            size = int(rng.integers(1, 20_000))
            events += stream.push(samples[at : at + size])
            at += size
        for event in events + stream.finish():
            if event.kind == "speech_end" and event.prediction is not None:
                answer = event.prediction
                alone = voices.recognizer.predict((samples, RATE), start_s=answer.start_s, end_s=answer.end_s)
                largest = max(largest, *(abs(answer.scores[name] - alone.scores[name]) for name in answer.scores))
    return [(f"a stream's final answers against the file's, {n_clips} clips", "0.001", f"{largest:.4f}")]


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the corpora")
    parser.add_argument("--bundle", default="default", help="the recogniser: held_out.py's, or the built-in one")
    parser.add_argument("--voices", choices=("test", "development"), default="test", help="whose clips")
    parser.add_argument("--only", default="", help="names of parts, comma-separated; all if not given")
    parser.add_argument("--quick", action="store_true", help="a tenth of the clips")
    parser.add_argument("--page", type=Path, help="the page to write the table into")
    chosen = parser.parse_args()
    recognizer = Recognizer(chosen.bundle)
    speakers = held_out.TEST if chosen.voices == "test" else held_out.DEVELOPMENT
    voices = Voices(recognizer, chosen.data, speakers)
    share = 10 if chosen.quick else 1
    parts: dict[str, Callable[[], list[Row]]] = {
        "joined": lambda: joined(voices, n_sets=252 // share),
        "repeated": lambda: repeated(voices, n_clips=60 // share),
        "levels": lambda: levels(voices, n_clips=20 // share),
        "artefacts": lambda: artefacts(voices, n_clips=60 // share),
        "screams": lambda: screams(recognizer, chosen.data, every=share),
        "composed": lambda: [
            *composed(voices, n_recordings=12 // min(share, 4), rate=16_000),
            *composed(voices, n_recordings=12 // min(share, 4), rate=8_000),
        ],
        "containers": lambda: containers(voices),
        "streams": lambda: streams(voices, n_clips=40 // share),
    }
    wanted = [name for name in chosen.only.split(",") if name] or list(parts)
    rows: list[Row] = []
    for name in wanted:
        for row in parts[name]():
            rows.append(row)
            print(*row, sep=" | ", flush=True)
    table = pd.DataFrame(rows, columns=["what", "required", "now"])
    lines = ["| what | required | now |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in table.to_numpy())]
    if chosen.page is not None:
        _write(chosen.page, lines, begin=BEGIN, end=END)


if __name__ == "__main__":
    main()
