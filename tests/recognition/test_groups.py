"""Profiles of several speakers, with a model whose profiles can be worked out: the mean level of the clips."""

import numpy as np
import pytest

import emotone
from emotone.audio import write_wav
from emotone.errors import ConfigError
from emotone.recognition.groups import MOST_CLIPS, adapted_profiles
from emotone.recognition.profile import SourceProfile
from emotone.recognition.recognizer import Recognizer
from support import handmade

RATE = 16_000


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory):
    content = handmade.graph(optional=handmade.ADAPTS, speech=True)  # speech from a level of 0.05 on
    return Recognizer(handmade.write(tmp_path_factory.mktemp("bundle") / "relative", content=content, adapts=True))


def clip(level, **given):
    return handmade.tone(level, **given), RATE


def test_each_speaker_has_the_mean_of_their_own_clips(recognizer):
    profiles = adapted_profiles(
        recognizer, {"anna": [clip(0.1), clip(0.2)], "bert": (clip(level) for level in (0.3, 0.4, 0.5)), "nobody": []}
    )
    assert list(profiles) == ["anna", "bert", "nobody"]
    assert {name: profile.n_clips for name, profile in profiles.items()} == {"anna": 2, "bert": 3, "nobody": 0}
    assert profiles["anna"].mean == pytest.approx([0.15], abs=1e-3)
    assert profiles["bert"].mean == pytest.approx([0.4], abs=1e-3)
    assert profiles["anna"].mean == pytest.approx(recognizer.adapt([clip(0.1), clip(0.2)]).mean, abs=1e-9)
    assert adapted_profiles(recognizer, {}) == {}
    assert emotone.adapted_profiles is adapted_profiles


def test_profiles_are_within_the_source(recognizer):
    source = recognizer.adapt_source([clip(0.1), clip(0.3)])
    profiles = adapted_profiles(recognizer, {"anna": [clip(0.1)] * 2, "bert": []}, source=source)
    assert profiles["anna"].source == profiles["bert"].source == source


def test_skipped_recordings_are_named_with_the_reason(recognizer, tmp_path):
    for name, level in (("loud", 0.2), ("soft", 0.02)):
        write_wav(tmp_path / f"{name}.wav", handmade.tone(level))
    (tmp_path / "damaged.wav").write_bytes(b"RIFF of no use")
    files = [str(tmp_path / name) for name in ("loud.wav", "soft.wav", "damaged.wav", "missing.wav", "loud.wav")]
    steps = []
    profile = adapted_profiles(recognizer, {"anna": files}, progress=lambda *step: steps.append(step))["anna"]
    assert profile.n_clips == 2 and len(profile.skipped) == 3
    assert "soft.wav" in profile.skipped[0] and "no speech" in profile.skipped[0]
    assert "damaged.wav" in profile.skipped[1] and "missing.wav" in profile.skipped[2]
    assert [step[:2] for step in steps] == [(number, 5) for number in range(1, 6)]


def test_single_utterance_gives_no_profile(recognizer):
    profile = adapted_profiles(recognizer, {"anna": [clip(0.2)]})["anna"]
    assert profile.n_clips == 0 and profile.mean == (0.0,)


def test_recordings_are_chosen_at_equal_distances(recognizer):
    """The last half of the recordings is louder; so are half of those that are used."""

    class Clips(list):
        def __getitem__(self, number):
            read.append(number)
            return clip(0.2 if number < 400 else 0.4, seconds=0.3)

    read = []
    profile = adapted_profiles(recognizer, {"anna": Clips(range(800))})["anna"]
    assert profile.n_clips == MOST_CLIPS and read == list(range(0, 800, 4))
    assert profile.mean == pytest.approx([0.3], abs=1e-3)


def test_more_is_read_of_a_few_long_recordings(recognizer):
    """Twenty seconds of each of many; of a single one, 200 s, in which 200 utterances are chosen."""
    long = np.concatenate([handmade.tone(0.1, seconds=20), handmade.tone(0.3, seconds=180), handmade.tone(0.9)])
    alone = adapted_profiles(recognizer, {"anna": [(long, RATE)]})["anna"]
    assert alone.mean == pytest.approx([(20 * 0.1 + 180 * 0.3) / 200], abs=0.01) and 100 < alone.n_clips <= MOST_CLIPS
    many = adapted_profiles(recognizer, {"anna": [(long[: 60 * RATE], RATE)] * 10})["anna"]
    assert many.mean == pytest.approx([0.1], abs=1e-3) and 100 < many.n_clips <= MOST_CLIPS


def test_utterances_are_chosen_at_equal_distances(recognizer):
    """Of 260, from recordings of which the second half is louder."""
    clips = [clip(level, seconds=20) for level in (0.1,) * 10 + (0.3,) * 10]
    profile = adapted_profiles(recognizer, {"anna": clips})["anna"]
    assert profile.n_clips == MOST_CLIPS and profile.mean == pytest.approx([0.2], abs=1e-3)


def test_speech_is_searched_for_in_the_first_minute(recognizer):
    silence = np.zeros(45 * RATE, np.float32)
    late = np.concatenate([silence, handmade.tone(0.2, seconds=2)]), RATE
    never = np.concatenate([silence, silence, handmade.tone(0.2, seconds=2)]), RATE
    profile = adapted_profiles(recognizer, {"anna": [late, *[clip(0.2)] * 9]})["anna"]
    assert profile.n_clips == 10 and profile.skipped == ()
    profile = adapted_profiles(recognizer, {"anna": [never, *[clip(0.2)] * 9]})["anna"]
    assert profile.n_clips == 9 and "no speech was found" in profile.skipped[0]


def test_short_rest_of_a_recording_is_left_out(recognizer):
    rest = handmade.tone(0.2, seconds=20.05), RATE
    profile = adapted_profiles(recognizer, {"anna": [rest, rest]})["anna"]
    assert profile.mean == pytest.approx([0.2], abs=1e-3) and profile.skipped == ()


def test_channel_is_that_of_the_speaker(recognizer, tmp_path):
    write_wav(tmp_path / "call.wav", np.stack([handmade.tone(0.3), handmade.tone(0.1)], axis=1))
    for channel, level in (("left", 0.3), ("right", 0.1)):
        profile = adapted_profiles(recognizer, {"": [tmp_path / "call.wav"] * 2}, channel=channel)[""]
        assert profile.mean == pytest.approx([level], abs=1e-3)


def test_wrong_arguments_are_errors(recognizer, tmp_path):
    with pytest.raises(ConfigError, match="type list; expected a dictionary"):
        adapted_profiles(recognizer, [clip(0.2)])
    with pytest.raises(ConfigError, match="the value of 'anna' has the type str"):
        adapted_profiles(recognizer, {"anna": "clip.wav"})
    other = SourceProfile(mean=(0.1,), n_clips=3, model="f" * 64)
    with pytest.raises(ConfigError, match="belongs to the model ffffffffffff"):
        adapted_profiles(recognizer, {"anna": [clip(0.2)]}, source=other)
    with pytest.raises(ConfigError, match="can't adapt"):
        adapted_profiles(Recognizer(handmade.write(tmp_path / "plain")), {"anna": [clip(0.2)]})
