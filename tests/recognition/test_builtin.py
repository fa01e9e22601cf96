"""The model in the package: small, what its card says, and indifferent to gain and file format."""

from pathlib import Path

import numpy as np
import pytest

from emotone import audio, emotions
from emotone.preprocessing import DEFAULT as PREPROCESSING
from emotone.recognition import adaptation, card, model_card
from emotone.recognition.prediction import NOT_ADAPTED
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.session import DEFAULT_FOLDER, checked_graph
from emotone.recognition.temperature import Temperature

SAMPLES = sorted(path for path in (Path(__file__).parents[2] / "samples").iterdir() if path.suffix != ".md")

WAVS = [path for path in SAMPLES if path.suffix == ".wav"]


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


def test_it_fits_in_twelve_megabytes() -> None:
    assert sum(path.stat().st_size for path in DEFAULT_FOLDER.iterdir()) < 12e6


def test_its_card_states_protocol_score_and_licence(recognizer: Recognizer) -> None:
    told = recognizer.card
    assert told["protocol"]["name"] == "speaker-6fold"
    assert told["protocol"]["speaker_disjoint"] is True
    assert 0.6 < told["scores"]["uar"] < told["scores"]["interval"]["high"] < 1
    assert recognizer.emotions == emotions.EMOTIONS[:8]
    corpora = told["training"]["corpora"]
    names = ["ased", "emodb", "nemo", "ravdess", "savee", "tess"]
    assert [corpus["name"] for corpus in corpora] == names
    assert [corpus["commercial_use"] for corpus in corpora] == [False] * 6
    assert set(told["scores"]["groups"]["corpus"]) == set(names)
    assert (DEFAULT_FOLDER / "README.md").read_text(encoding="utf-8") == model_card.readme(told)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_sample_gets_probabilities(recognizer: Recognizer, path: Path) -> None:
    prediction = recognizer.predict(path)
    assert sum(prediction.scores.values()) == pytest.approx(1, abs=1e-5)
    assert prediction.confidence == max(prediction.scores.values())
    assert prediction.end_s == pytest.approx(audio.info(path).duration_s, abs=0.01)


@pytest.mark.parametrize("gain", [0.02, 30.0])
@pytest.mark.slow
def test_gain_changes_no_answer(recognizer: Recognizer, gain: float) -> None:
    samples = PREPROCESSING.apply(audio.read(SAMPLES[0]))
    plain, scaled = (recognizer.predict((signal, 16_000)) for signal in (samples, np.float32(gain) * samples))
    assert plain.emotion == scaled.emotion
    np.testing.assert_allclose(list(plain.scores.values()), list(scaled.scores.values()), atol=0.01)


def test_silence_and_noise_are_no_speech(recognizer: Recognizer) -> None:
    assert recognizer.checks_speech
    noise = 0.1 * np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
    for sound in (np.zeros(32_000, np.float32), noise):
        assert recognizer.predict((sound, 16_000)).label == "no speech"


@pytest.mark.slow
def test_it_adapts_to_a_speaker(recognizer: Recognizer) -> None:
    profile = recognizer.adapt(SAMPLES)
    plain, adapted = (recognizer.predict(SAMPLES[0], profile=one).scores for one in (None, profile))
    assert profile.n_clips == len(SAMPLES) - 1 + 8, "six utterances of the conversation count, and two windows"
    assert np.abs(np.array(list(plain.values())) - list(adapted.values())).max() > 0.01


@pytest.mark.corpus
def test_it_knows_the_clips_that_it_was_fitted_on(recognizer: Recognizer, data: Path) -> None:
    files = sorted((data / "ravdess").glob("*Speech*/Actor_*/*"))[::37]
    truth = [recognizer.emotions[int(path.name[6:8]) - 1] for path in files]
    found = [recognizer.predict(path).ranking[0] for path in files]
    assert len(files) > 30
    assert np.mean([a == b for a, b in zip(truth, found, strict=True)]) > 0.85


@pytest.mark.slow
def test_recording_adapts_to_itself(recognizer):
    """Its own windows are the source; the same as with their profile, since adaptation moves scores only."""
    sounds = [audio.read(path) for path in WAVS] * 3
    recording = np.concatenate([np.concatenate([sound, np.zeros(16_000, np.float32)]) for sound in sounds]), 16_000
    plain, adapted = (recognizer.timeline(recording, adapt=adapt) for adapt in (False, True))
    assert plain.adapted == NOT_ADAPTED and adapted.adapted["source"] >= 8
    assert adapted.spoken_s == pytest.approx(plain.spoken_s)
    first, second = (timeline.to_dict()["segments"] for timeline in (plain, adapted))
    assert first != second and second[0]["adapted"]["source"] == adapted.adapted["source"]
    known = recognizer.adapt_source(WAVS)
    assert recognizer.timeline(recording, profile=known, adapt=True).adapted == known.adapted


def test_heads_beside_the_graph_say_what_the_graph_says(recognizer):
    adapter = adaptation.load(DEFAULT_FOLDER / card.ADAPTATION, recognizer.card, width=768)
    temperature = Temperature.from_card(recognizer.card["calibration"])
    session = checked_graph(DEFAULT_FOLDER / card.GRAPH, recognizer.card, threads=1)
    samples = recognizer.preprocessing.apply(audio.read(WAVS[0]))
    _, embedding = recognizer.run(samples)
    other = recognizer.embedding(WAVS[1])
    of_others = SpeakerProfile(mean=tuple(other.tolist()), n_clips=3, model=recognizer.card["sha256"])
    for profile, inputs in ((None, {}), (of_others, of_others.inputs())):
        (expected,) = session.run(["scores"], {"waveform": samples[None], **inputs})
        actual = adapter.scores(embedding[None], profile, temperature=temperature)
        np.testing.assert_allclose(actual, expected, atol=1e-4)
