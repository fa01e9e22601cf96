"""What tests of explore share: tones, tables of features, and the parsed page."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd

from emotone.explore.feature_analysis import FeatureTable

RATE = 16_000
STATEMENTS = ("kids", "dogs")
PITCH_HZ = {"neutral": 120.0, "happy": 220.0, "sad": 100.0}
EMOTIONS = ("happy", "sad", "angry")


def sine(hertz, *, seconds=1.0, amplitude=1.0, rate=RATE):
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_manifest(folder, rows):
    path = folder / "toy.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def table_of(values, names=None, *, emotions, speakers):
    values = np.asarray(values, dtype=np.float32)
    names = names or tuple(f"f{number}" for number in range(values.shape[1]))
    return FeatureTable(values, tuple(names), np.asarray(emotions), np.asarray(speakers))


def design(*, n_speakers=8, n_each=6, emotions=EMOTIONS):
    """Labels and speakers of a balanced corpus, shuffled."""
    labels = np.tile(np.repeat(emotions, n_each), n_speakers)
    speakers = np.repeat([f"x-{number:02d}" for number in range(n_speakers)], n_each * len(emotions))
    order = np.random.default_rng(5).permutation(len(labels))
    return labels[order], speakers[order]


def pair_design(*, n_speakers=8, n_each=6):
    is_first = np.tile(np.repeat([True, False], n_each), n_speakers)
    speakers = np.repeat([f"x-{number:02d}" for number in range(n_speakers)], 2 * n_each)
    order = np.random.default_rng(5).permutation(len(speakers))
    return is_first[order], speakers[order]


class Page(HTMLParser):
    """Tags with their attributes, in order, and the text between."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)
