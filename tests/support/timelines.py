"""Timelines with speakers, for the tests of what is made from them."""

import numpy as np
from hypothesis import strategies as st

from emotone.recognition.prediction import Prediction
from emotone.recognition.speakers import summaries
from emotone.recognition.timeline import Timeline

EMOTIONS = ("happy", "sad", "angry")
#: Names that formats with separators, quotes, tags, escapes or reserved words can stumble on.
ODD_NAMES = (
    *("", " ", "unknown", "unknown 2", "unnamed", "overlap", "emotion", "file", "<NA>", "-", ";; note", "-->", "a: b"),
    *("Anna B.", "Anna\nB.", "Anna\tB.", "Anna_B.", 'Anna "A"', '"', "'", "<v Bob>", "<b>", "a & b", "&amp;", "1,5"),
    *("👩‍👩‍👧 family", "Zoë", "Zoe\u0308", "アンナ", "\u2028line", "\ufeffbom", "\x00\x1b[31m", "\ud800", "\uffff"),
    *('name = "x"', "[1]", "NOTE", "STYLE", "WEBVTT", "2", "=1+1", "{\\an8}", "C:\\voices\\a", "\u202eabc", "\u200b"),
)  # fmt: skip


def segment(speaker, start_s, end_s, *, emotion="happy", confidence=0.8, speech=None):
    """A prediction; without an emotion it is unsure."""
    rest = (1 - confidence) / 2
    scores = {name: confidence if name == (emotion or "sad") else rest for name in EMOTIONS}
    return Prediction(emotion, confidence, scores, start_s, end_s, speech, speaker=speaker)


def timeline(segments, *, duration_s, overlaps=(), file="calls/my call.wav", adapted_s=None):
    segments = tuple(segments)
    envelope = np.abs(np.sin(np.arange(round(duration_s * 20)) / 7)).astype(np.float32)
    speakers = summaries(segments, duration_s=duration_s, adapted_s=adapted_s or {})
    return Timeline(segments, duration_s, EMOTIONS, envelope, speakers=speakers, overlaps=tuple(overlaps), file=file)


def conversation():
    """Anna, Ben and an unknown voice in 12 s, and half a second in which several speak."""
    return timeline(
        [
            segment("Anna", 0.5, 2.25),
            segment("Anna", 2.25, 3.0, emotion="angry", confidence=0.71),
            segment("Ben", 3.5, 5.0, emotion=None, confidence=0.4),
            segment(None, 5.0, 6.0, emotion="sad"),
            segment("Anna", 7.0, 8.0),
            segment("Ben", 8.5, 8.5004),  # too short for milliseconds
            segment(None, 9.0, 9.5, speech=0.1),
        ],
        duration_s=12.0,
        overlaps=[(6.25, 6.75)],
        adapted_s={"Anna": 3.5},
    )


def odd_conversation():
    """A segment of each odd name and of an unknown voice, a second each."""
    every = (*ODD_NAMES, None)
    segments = [segment(name, number, number + 1.0) for number, name in enumerate(every)]
    return timeline(segments, duration_s=float(len(every)), file='a "b"\n<c>.wav')


def names():
    """Names of speakers; None is an unknown voice."""
    letters = st.characters(exclude_categories=())
    return st.none() | st.sampled_from(ODD_NAMES) | st.text(letters, max_size=12)


@st.composite
def timelines(draw):
    """Timelines with odd names; segments are in order of time, and some are shorter than a sample."""
    time, segments, overlaps = 0.0, [], []
    durations = st.sampled_from([1 / 32_000, 0.0004, 0.0006, 0.25, 3.1]) | st.floats(0.001, 20)
    for speaker in draw(st.lists(names(), max_size=8)):
        time += draw(st.sampled_from([0.0, 0.0, 0.0003, 1.25]))
        end = time + draw(durations)
        emotion = draw(st.sampled_from([*EMOTIONS, None]))
        speech = draw(st.sampled_from([None, 0.9, 0.1]))
        segments.append(segment(speaker, time, end, emotion=emotion, speech=speech))
        time = end
        if draw(st.booleans()):
            overlaps.append((time, time + 0.5))
            time += 0.5
    file = draw(st.sampled_from(ODD_NAMES)) + draw(st.sampled_from(["", ".wav", ".ogg"]))
    return timeline(segments, duration_s=time + draw(st.sampled_from([0.0, 1.5])), overlaps=overlaps, file=file)
