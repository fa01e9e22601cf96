"""Preprocessing decides what a run is: its folds, its final model, its card and its features follow it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from emotone import audio, preprocessing, protocols
from emotone.experiment import folds, run
from emotone.experiment.analyses import occlusion
from emotone.experiment.finish import final_identity
from emotone.experiment.training_set import gather, load
from emotone.export import bundle
from emotone.features import registry
from emotone.features.store import FeatureStore
from emotone.preprocessing import Preprocessing
from emotone.recognition.recognizer import Recognizer
from support import toy_experiment as toy

OTHER = Preprocessing(trim_db=20.0)
# Imported before DEFAULT is patched, so that its own default argument is the real one.
assert bundle.DEFAULT == Preprocessing()


@pytest.fixture
def manifest(tmp_path, make_voice, monkeypatch):
    """Clips with a quiet beginning, so that every threshold trims them at another place."""
    toy.install(monkeypatch)
    path = toy.write_corpus(tmp_path, make_voice)
    for clip in tmp_path.glob("*.wav"):
        samples = audio.read(clip)
        quiet = samples[:3200] * 10 ** (-30 / 20)  # beyond 20 dB, within 40 dB
        audio.write_wav(clip, np.concatenate([quiet, samples]))
    return path


def gathered(config):
    own, _ = load(config)
    return gather(own, registry.get("bands"), config, store=FeatureStore(config.cache))


def test_fingerprint_final_model_and_features_follow_the_preprocessing(manifest, tmp_path, monkeypatch):
    config = toy.config(manifest, tmp_path / "run")

    def described():
        training_set = gathered(config)
        protocol = protocols.build("speaker-6fold", training_set.own)
        plan = folds.plan(protocol, training_set, config)[0]
        key = folds.fingerprint(plan, training_set, config, extractor_digest="a")
        return key, final_identity(config, training_set), training_set.values

    key, identity, values = described()
    monkeypatch.setattr(preprocessing, "DEFAULT", OTHER)
    other_key, other_identity, other_values = described()
    assert key != other_key and identity != other_identity
    assert np.abs(values - other_values).max() > 0.1, "the same store gives the features of the other preprocessing"
    monkeypatch.setattr(preprocessing, "DEFAULT", Preprocessing())
    assert described()[:2] == (key, identity)


def test_final_model_and_fingerprint_follow_the_code_of_transforms(manifest, tmp_path, monkeypatch):
    config = replace(toy.config(manifest, tmp_path / "run"), augment=("speed",))
    training_set = gathered(config)
    plan = folds.plan(protocols.build("speaker-6fold", training_set.own), training_set, config)[0]
    before = folds.fingerprint(plan, training_set, config, extractor_digest="a"), final_identity(config, training_set)
    monkeypatch.setattr("emotone.augment.copies.source_digest", lambda *parts: "another version")
    after = folds.fingerprint(plan, training_set, config, extractor_digest="a"), final_identity(config, training_set)
    assert before[0] != after[0] and before[1] != after[1]


@pytest.mark.slow
def test_card_and_recognizer_have_the_preprocessing_of_the_run(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr(preprocessing, "DEFAULT", OTHER)
    folder = run(toy.config(manifest, tmp_path / "run")).folder
    card = json.loads((folder / "model" / "card.json").read_text())
    assert card["preprocessing"] == OTHER.to_dict() != Preprocessing().to_dict()
    recognizer = Recognizer(folder / "model")
    assert recognizer.preprocessing == OTHER
    clip = next(iter(sorted(manifest.parent.glob("*.wav"))))
    expected, _ = recognizer.run(OTHER.apply(audio.read(clip)))
    assert list(recognizer.predict(clip).scores.values()) == pytest.approx(expected.tolist())


def test_occlusion_is_measured_on_clips_preprocessed_as_in_training(manifest):
    corpus, _ = load(toy.config(manifest, manifest.parent / "run"))
    lengths = {}

    class Ear:
        emotions = corpus.emotions

        def run(self, samples):
            lengths[where].append(len(samples))
            return np.full(len(self.emotions), 1 / len(self.emotions), np.float32), np.zeros(1, np.float32)

    for where, how in (("default", Preprocessing()), ("other", OTHER)):
        lengths[where] = []
        occlusion.measured(Ear(), corpus, preprocessing=how, budget_s=0.0)
    assert max(lengths["other"]) < max(lengths["default"])
