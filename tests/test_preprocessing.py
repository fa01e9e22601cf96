"""What happens to a waveform before a model: its settings, its key, and its description on a model card."""

import inspect

import numpy as np
import pytest

from emotone import audio, files
from emotone.audio import level, trimming
from emotone.augment import Noise, transforms
from emotone.augment.copies import Augmentation
from emotone.errors import AudioError, BundleError, ConfigError
from emotone.preprocessing import DEFAULT, ROBUST, Preprocessing
from emotone.recognition import card as cards
from emotone.recognition.recognizer import Recognizer
from support import handmade


@pytest.fixture
def change_source(monkeypatch):
    """Let a module look as if its source were different."""

    def change(module) -> None:
        real = inspect.getsource
        monkeypatch.setattr(inspect, "getsource", lambda part: real(part) + ("# changed" if part is module else ""))
        files.source_digest.cache_clear()

    yield change
    monkeypatch.undo()
    files.source_digest.cache_clear()


@pytest.fixture
def faded(make_voice):
    """A voice that fades in and out over 30 dB, so that every threshold trims at another place."""
    samples = make_voice(seconds=2.0)
    fade_db = -60 * np.abs(np.linspace(-1, 1, len(samples)))
    return (samples * 10 ** (fade_db / 20)).astype(np.float32)


def test_apply_trims_as_the_settings_say(faded):
    lengths = [len(Preprocessing(trim_db=trim_db).apply(faded)) for trim_db in (10, 20, 40)]
    assert lengths == sorted(set(lengths))
    assert lengths[-1] < len(faded)
    assert Preprocessing(trim_db=None).apply(faded) is faded
    np.testing.assert_array_equal(DEFAULT.apply(faded), audio.trim_silence(faded, threshold_db=40, min_duration_s=0.2))


def test_trimming_leaves_the_minimum():
    click = np.zeros(16_000, np.float32)
    click[8000] = 1
    settings = Preprocessing(min_duration_s=0.5)
    assert settings.min_samples == 8000
    assert len(settings.apply(click)) == 8000
    assert len(DEFAULT.apply(click)) == DEFAULT.min_samples == 3200


def test_key_changes_with_every_setting():
    settings = [DEFAULT, Preprocessing(trim_db=20), Preprocessing(trim_db=None), Preprocessing(min_duration_s=0.3)]
    assert len({chosen.key for chosen in settings}) == 4
    assert Preprocessing(trim_db=40.0).key == DEFAULT.key


@pytest.mark.parametrize("module", [trimming, level])
def test_key_changes_with_the_code_that_trims(change_source, module):
    before = DEFAULT.key
    assert len(before) == 64
    change_source(module)
    assert before != DEFAULT.key


def test_spec_of_a_copy_changes_with_the_code_of_the_transforms(change_source):
    copy = Augmentation((Noise(),), copy=1)
    before = copy.spec
    change_source(transforms)
    assert before != copy.spec


@pytest.mark.parametrize(
    "settings", [DEFAULT, Preprocessing(trim_db=None), Preprocessing(trim_db=25, min_duration_s=1)]
)
def test_a_card_gives_back_the_settings(settings):
    assert Preprocessing.from_card(settings.to_dict()) == settings


def test_an_older_card_has_the_default_minimum_and_no_trim_unless_it_says_so():
    assert Preprocessing.from_card({"trim_db": 40.0}) == DEFAULT
    assert Preprocessing.from_card({}) == Preprocessing(trim_db=None)


@pytest.mark.parametrize("trim_db", [20.0, None])
def test_a_recognizer_does_what_its_card_says(tmp_path, faded, trim_db):
    settings = Preprocessing(trim_db=trim_db)
    recognizer = Recognizer(handmade.write(tmp_path / "bundle", preprocessing=settings.to_dict()))
    assert recognizer.preprocessing == settings
    scores = list(recognizer.predict((faded, 16_000)).scores.values())
    np.testing.assert_allclose(scores, handmade.expected(settings.apply(faded)), atol=1e-5)
    assert not np.allclose(scores, handmade.expected(DEFAULT.apply(faded)), atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample_rate": 8000}, "sample_rate is 8000; expected 16000 Hz"),
        ({"trim_db": 0}, "trim_db is 0; expected dB above 0 and up to 200, or None"),
        ({"trim_db": float("inf")}, "trim_db is inf"),
        ({"min_duration_s": 0.1}, "min_duration_s is 0.1; expected 0.2 to 30 seconds"),
        ({"min_duration_s": 31}, "min_duration_s is 31"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Preprocessing(**settings)


def test_a_subclass_that_changes_apply_has_another_key():
    class Louder(Preprocessing):
        def apply(self, samples):
            return 2 * samples

    assert Louder().key != Preprocessing().key


@pytest.mark.parametrize(
    "settings",
    [{"trim_db": "40"}, {"trim_db": True}, {"trim_db": 300}, {"min_duration_s": None}, {"min_duration_s": 31}],
)
def test_a_setting_that_is_no_number_in_its_range_is_refused(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Preprocessing(**settings)


@pytest.mark.parametrize("shortest", ["1", None, [], 100, True])
def test_a_card_with_an_impossible_shortest_length_is_no_bundle(tmp_path, shortest):
    card = handmade.card(b"", preprocessing={"trim_db": 40.0, "min_duration_s": shortest})
    with pytest.raises(BundleError, match=r"preprocessing\.min_duration_s"):
        cards.check(card, where="a card")


@pytest.mark.parametrize("preprocessing", [Preprocessing(), Preprocessing(trim_db=None), ROBUST])
@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros((2, 8000)), np.full(8000, np.nan), np.full(8000, np.inf)])
def test_sound_that_is_none_is_refused(preprocessing, samples):
    with pytest.raises(AudioError, match="can't be prepared"):
        preprocessing.apply(samples.astype(np.float32))


def test_a_trim_that_would_not_trim_is_refused():
    with pytest.raises(ConfigError, match="trim is 'speech' with trim_db None"):
        Preprocessing(trim="speech", trim_db=None)
