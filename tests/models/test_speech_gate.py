"""Whether there is speech: the rule, its part of a bundle's graph, and what a user sees of it."""

import json

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from emotone.audio import write_wav
from emotone.augment import nonspeech as gathering_nonspeech
from emotone.cli.main import app
from emotone.errors import ConfigError, SilenceError
from emotone.experiment.analyses import speech_gate as gathering
from emotone.export.compose import compose
from emotone.export.networks import network_graph
from emotone.models.deep.adaptive import Adaptive, AdaptiveClassifier
from emotone.models.deep.speech_gate import Gate, fit_gate
from emotone.recognition.prediction import NO_SPEECH
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.temperature import Temperature
from support import handmade

pytestmark = pytest.mark.slow

RATE = 16_000


def means(n, *, shift, seed):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, 6)) * [1, 10, 1, 1, 0.1, 1] + [shift, 50, 0, 0, -shift / 10, 3]).astype(np.float32)


# ---- the rule ----


def test_rule_tells_sounds_apart_that_it_has_not_met():
    gate = fit_gate(means(200, shift=2, seed=0), means(40, shift=-2, seed=1))
    assert np.mean(gate.probability(means(500, shift=2, seed=2)) > 0.5) > 0.95
    assert np.mean(gate.probability(means(500, shift=-2, seed=3)) < 0.5) > 0.95
    assert gate.weight.shape == (6,) and gate.weight.dtype == np.float32


def test_rule_does_not_depend_on_how_many_there_are_of_each():
    """Between two equal clouds the probability is a half, though one has ten times the clips."""
    gate = fit_gate(means(2000, shift=1, seed=0), means(200, shift=-1, seed=1))
    middle = np.array([[0, 50, 0, 0, 0, 3]], np.float32)
    assert gate.probability(middle)[0] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("speech, other", [((0, 6), (3, 6)), ((3, 6), (0, 6)), ((3, 6), (3, 5))])
def test_rule_needs_clips_of_both_kinds(speech, other):
    with pytest.raises(ConfigError, match="expected clips of both, of one width"):
        fit_gate(np.ones(speech), np.ones(other))


# ---- inside the graph ----


@pytest.fixture(scope="module")
def gated():
    rng = np.random.default_rng(0)
    X = np.empty(24, dtype=object)
    for row in range(24):
        X[row] = rng.standard_normal((int(rng.integers(10, 30)), 6)).astype(np.float32) + row % 2
    classifier = AdaptiveClassifier(Adaptive, max_epochs=1, batch_size=8, n_frequency_masks=0, precision="float32")
    classifier.fit(X, np.arange(24) % 2)
    classifier.gate = Gate(rng.standard_normal(6).astype(np.float32), 0.3)
    return classifier, X


def test_graph_gives_the_rules_probability_and_the_same_scores_as_without(gated):
    classifier, X = gated
    model = compose(None, network_graph(classifier, 6), temperature=Temperature(), n_features=6, properties={})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_outputs()] == ["scores", "embedding", "speech"]
    for clip in X[:5]:
        scores, _, speech = session.run(None, {"features": clip[None]})
        assert speech.shape == (1, 1)
        assert speech[0, 0] == pytest.approx(classifier.gate.probability(clip.mean(axis=0)[None])[0], abs=1e-5)
        one = np.empty(1, dtype=object)
        one[0] = clip
        np.testing.assert_allclose(scores, classifier.predict_proba(one), atol=1e-5)


def test_graph_of_a_model_without_a_rule_has_no_such_output(gated):
    classifier, _ = gated
    bare = AdaptiveClassifier(**classifier.get_params())
    bare.__dict__.update({name: value for name, value in vars(classifier).items() if name != "gate"})
    assert [one.name for one in network_graph(bare, 6).graph.output] == ["probabilities", "embedding"]


class _Loudness:
    """Stands for an extractor's graph: frames of one column, the absolute samples."""

    def __init__(self, graph):
        assert graph == b"graph"

    def __call__(self, samples):
        return np.abs(samples)[:, None]


@pytest.mark.slow
def test_clips_are_heard_clean_and_spoilt_and_every_kind_of_sound_is(monkeypatch, make_voice):
    monkeypatch.setattr(gathering, "GraphRunner", _Loudness)
    told = []
    clips = [make_voice(seconds=0.5), make_voice(seconds=0.8)]
    speech, other = gathering.speech_and_other(clips, b"graph", seed=0, progress=lambda *step: told.append(step))
    of_each = 1 + len(gathering.DEGRADED) + gathering.N_SCENES
    assert speech.shape == (2 * of_each, 1)
    assert other.shape == (len(gathering_nonspeech.KINDS) * gathering.N_SOUNDS, 1)
    assert speech[0, 0] == pytest.approx(np.abs(clips[0]).mean())
    assert speech[2, 0] > 1.2 * speech[0, 0]  # noise at 0 dB adds to it
    assert told[-1][:2] == (len(speech) + len(other),) * 2


@pytest.mark.slow
def test_recorded_sounds_are_other_sounds_and_noise_of_scenes(monkeypatch, make_voice, tmp_path):
    monkeypatch.setattr(gathering, "GraphRunner", _Loudness)
    monkeypatch.setattr(gathering, "N_SOUNDS", 2)
    folders = []
    real = gathering.Scene

    def scene(*, folder):
        folders.append(folder)
        return real(folder=folder)

    monkeypatch.setattr(gathering, "Scene", scene)
    levels = (0.2, 0.4)
    for level in levels:
        write_wav(tmp_path / f"{level}.wav", np.full(16_000, level, np.float32))
    write_wav(tmp_path / "silent.wav", np.zeros(16_000, np.float32))
    clips, steps = [make_voice(seconds=0.5)], []
    arguments = {"seed": 0, "progress": lambda *step: steps.append(step)}
    speech, other = gathering.speech_and_other(clips, b"graph", sounds=tmp_path, **arguments)
    n_synthesised = 2 * len(gathering_nonspeech.KINDS)
    assert folders == [tmp_path] and len(speech) == 1 + len(gathering.DEGRADED) + gathering.N_SCENES
    recorded = other[n_synthesised:, 0]
    np.testing.assert_allclose(recorded, np.repeat(levels, gathering.N_EXCERPTS), atol=1e-3)
    assert steps[-1][:2] == (len(speech) + len(other),) * 2
    plain, synthesised = gathering.speech_and_other(clips, b"graph", seed=0)
    assert (len(plain), len(synthesised)) == (len(speech), n_synthesised)


def test_clip_that_is_too_short_for_another_scene_stays_as_it_is(monkeypatch, make_voice):
    monkeypatch.setattr(gathering, "GraphRunner", _Loudness)
    monkeypatch.setattr(gathering, "N_SOUNDS", 1)
    monkeypatch.setattr(gathering, "N_SCENES", 30)  # some are faster first, and then too short for the next step
    short = make_voice(seconds=0.2)
    speech, _ = gathering.speech_and_other([short], b"graph", seed=0)
    scenes = speech[1 + len(gathering.DEGRADED) :, 0]
    assert len(scenes) == 30 and 0 < np.isclose(scenes, np.abs(short).mean()).sum() < 20


# ---- what a user sees ----


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Mean absolute amplitude 0.05 and more is speech, less is none."""
    return handmade.write(tmp_path_factory.mktemp("bundle") / "gated", content=handmade.graph(speech=True))


def test_answer_without_speech_is_no_emotion(bundle):
    recognizer = Recognizer(bundle)
    assert recognizer.checks_speech
    voice, hush = (recognizer.predict((handmade.tone(level), RATE)) for level in (0.15, 0.03))
    assert voice.is_speech and voice.emotion is not None and voice.speech == 1.0
    assert (hush.emotion, hush.label, hush.is_speech) == (None, NO_SPEECH, False)
    assert hush.speech == pytest.approx(0.3, rel=1e-3)
    assert sum(hush.scores.values()) == pytest.approx(1, abs=1e-6)


def test_silence_is_no_speech_where_the_model_checks_and_an_error_where_not(bundle, tmp_path):
    silent = (np.zeros(RATE, np.float32), RATE)
    told = Recognizer(bundle).predict(silent)
    assert (told.label, told.speech, told.start_s, told.end_s) == (NO_SPEECH, 0.0, 0.0, 1.0)
    assert set(told.scores.values()) == {0.25}
    with pytest.raises(SilenceError, match="silent"):
        Recognizer(handmade.write(tmp_path / "plain")).predict(silent)


def test_of_a_long_recording_the_windows_with_speech_count(bundle):
    recognizer = Recognizer(bundle)
    hush, voice = (np.resize(handmade.tone(level), 40 * RATE) for level in (0.03, 0.15))
    mixed = recognizer.predict((np.concatenate([hush, voice]), RATE))
    alone = recognizer.predict((np.concatenate([voice, voice]), RATE))
    assert mixed.is_speech and mixed.emotion == alone.emotion
    assert mixed.scores == pytest.approx(alone.scores, abs=0.02)
    assert recognizer.predict((np.concatenate([hush, hush]), RATE)).label == NO_SPEECH


def test_command_line_says_so(bundle, tmp_path):
    for name, level in (("voice", 0.15), ("hush", 0.03)):
        write_wav(tmp_path / f"{name}.wav", handmade.tone(level))
    files = [str(tmp_path / name) for name in ("voice.wav", "hush.wav")]
    told = CliRunner().invoke(app, ["predict", *files, "--model", str(bundle), "--format", "json"])
    voice, hush = json.loads(told.stdout)
    assert voice["speech"] > 0.5 > hush["speech"] and hush["emotion"] is None
    table = CliRunner().invoke(app, ["predict", *files, "--model", str(bundle)]).stdout
    assert "no speech: silence, noise or music" in table
    (row,) = [line for line in table.splitlines() if "hush.wav" in line]
    assert "no speech" in row and "%" not in row
