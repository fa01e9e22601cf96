"""The encoder of voices and the projection of its embeddings."""

from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.recognition import voices

SAMPLES = Path(__file__).parents[2] / "samples"


def clip(name):
    return audio.trim_silence(audio.read(SAMPLES / name))


def cosine(one, other):
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_clips_of_a_voice_are_closer_than_those_of_two():
    mean = {
        name: voices.encoder()(clip(name))[1].mean(axis=0)
        for name in ("woman_plain.wav", "woman_subdued.wav", "man_plain.wav", "man_subdued.flac")
    }
    same = [cosine(mean["woman_plain.wav"], mean["woman_subdued.wav"])]
    same += [cosine(mean["man_plain.wav"], mean["man_subdued.flac"])]
    other = [cosine(mean[f"woman_{one}.wav"], mean[man]) for one in ("plain", "subdued") for man in list(mean)[2:]]
    assert min(same) > max(other) + 0.05


def test_windows_lie_every_four_tenths_of_a_second_and_have_length_one():
    samples = np.resize(clip("woman_plain.wav"), 3 * 16_000)
    centres, embedding = voices.encoder()(samples)
    assert centres.tolist() == [round((0.8 + 0.4 * n) * 16_000) for n in range(4)]
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("n", [1, 399, 3200, 25_599])
def test_a_short_sound_is_repeated(n):
    samples = clip("woman_plain.wav")[8000 : 8000 + n]
    centres, embedding = voices.encoder()(samples)
    assert len(centres) == len(embedding) == 1 and 0 <= centres[0] <= n and np.isfinite(embedding).all()


def test_soft_sound_is_raised_so_that_gain_changes_nothing():
    samples = clip("man_plain.wav")
    loud, soft = (voices.encoder()(samples * np.float32(gain))[1] for gain in (0.01, 0.001))
    np.testing.assert_allclose(loud, soft, atol=0.02)


def test_projection_keeps_what_speakers_differ_in():
    """Two values of four: the first differs between speakers, the second within them, both by the same amount."""
    rng = np.random.default_rng(0)
    corpora = {}
    for corpus in "ab":
        corpora[corpus] = {
            str(speaker): [
                np.array([3 * centre + rng.normal(), 9 * rng.normal(), 5.0 * (corpus == "b"), rng.normal()], np.float32)
                for _ in range(40)
            ]
            for speaker, centre in enumerate(rng.standard_normal(12))
        }
    fitted = voices.fitted(corpora, width=2, ridge=0.01)
    assert fitted.matrix.shape == (4, 2) and fitted.between[0] > 4 * fitted.between[1] > 0
    direction = np.abs(fitted.matrix[:, 0])
    assert direction[0] > 10 * direction[1]


def test_projection_is_saved_and_the_packages_is_read(tmp_path):
    projection = voices.projection()
    assert projection.matrix.shape == (256, 16) and (projection.between > 0).all()
    projection.save(tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as stored:
        np.testing.assert_allclose(stored["matrix"], projection.matrix, rtol=1e-6)
    assert voices.ENCODER.stat().st_size < 1_700_000


@pytest.mark.corpus
def test_embeddings_are_those_of_the_encoder_in_torch(data):
    """A second implementation: librosa's mel spectrogram and torch's LSTM, with the weights as they were published."""
    import librosa
    import torch

    path = data.parent / "weights" / "ge2e-speaker-encoder-fp16.npz"
    if not path.exists():
        pytest.skip("the published weights are not there")
    with np.load(path) as stored:
        weights = {name: torch.from_numpy(stored[name].astype(np.float32)) for name in stored.files}
    lstm = torch.nn.LSTM(40, 256, num_layers=3, batch_first=True)
    lstm.load_state_dict({name.removeprefix("lstm."): value for name, value in weights.items() if "lstm" in name})
    samples = clip("man_plain.wav")
    samples = samples * max(1.0, 10 ** (-30 / 20) / float(np.sqrt(np.mean(samples**2))))
    mel = librosa.feature.melspectrogram(y=samples, sr=16_000, n_fft=400, hop_length=160, n_mels=40).T
    first = torch.from_numpy(mel[None, :160].astype(np.float32))
    with torch.no_grad():
        state = lstm(first)[1][0][-1]
        expected = torch.relu(state @ weights["linear.weight"].T + weights["linear.bias"])[0].numpy()
    assert cosine(voices.encoder()(samples)[1][0], expected) > 0.98  # with weights of eight bits; exact ones give 1.0
