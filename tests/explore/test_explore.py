"""What explore measures and finds: numbers that can be worked out by hand, on generated sounds."""

import sqlite3
from pathlib import PurePath

import numpy as np
import pandas as pd
import pytest

from emotone import audio, corpora
from emotone.corpora import Corpus, Rejected
from emotone.errors import AudioError, FeatureError
from emotone.explore import sound
from emotone.explore.measure import clip as measure_clip
from emotone.explore.measure.corpus import measure
from emotone.explore.overview import findings as checked
from emotone.explore.signal import findings as signals

RATE = 16_000
STATEMENTS = ("kids", "dogs")
PITCH_HZ = {"neutral": 120.0, "happy": 220.0, "sad": 100.0}


def sine(hertz, *, seconds=1.0, amplitude=1.0, rate=RATE):
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_manifest(folder, rows):
    path = folder / "toy.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # starting processes would cost more than the work

    def load(rows):
        corpus = corpora.load([str(write_manifest(tmp_path, rows))], tmp_path)
        return measure(corpus, cache=tmp_path / "cache")

    return load


@pytest.fixture
def voices(tmp_path, make_voice):
    """Rows of two speakers, two statements, three emotions, two intensities; speaker b has no happy 'dogs'."""
    rows = []
    for speaker, sex in (("a", "female"), ("b", "male")):
        for statement in STATEMENTS:
            for emotion, hertz in PITCH_HZ.items():
                for intensity in ("normal", "strong"):
                    if (speaker, statement, emotion) == (
                        "b",
                        "dogs",
                        "happy",
                    ) or emotion + intensity == "neutralstrong":
                        continue
                    name = f"{speaker}-{statement}-{emotion}-{intensity}.wav"
                    voice = make_voice(seconds=0.5, pitch_hz=hertz, seed=len(rows), gain=0.3)
                    audio.write_wav(tmp_path / name, voice)
                    rows.append(
                        {
                            "file": name,
                            "emotion": emotion,
                            "speaker": speaker,
                            "gender": sex,
                            "intensity": intensity,
                            "statement": statement,
                        }
                    )
    return rows


# one clip


def test_level_of_a_sine_is_its_amplitude(tmp_path):
    audio.write_wav(tmp_path / "a.wav", sine(400, amplitude=0.5))
    found, _ = measure_clip.measure(str(tmp_path / "a.wav"))
    assert found.duration_s == 1.0
    assert (found.sample_rate, found.channels, found.container, found.codec) == (RATE, 1, "wav", "pcm_16")
    assert found.peak_db == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert found.rms_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert found.active_db == pytest.approx(found.rms_db, abs=0.01)
    assert (found.clipped_share, found.silence_share, found.lead_s, found.trail_s) == (0, 0, 0, 0)
    assert abs(found.dc_offset) < 1e-4


def test_clipped_share_of_an_overdriven_sine(tmp_path):
    # |2 sin x| is over 1 where |sin x| is over a half: on two thirds of the circle
    audio.write_wav(tmp_path / "a.wav", np.clip(sine(50.3, seconds=4, amplitude=2), -1, 1))
    found, _ = measure_clip.measure(str(tmp_path / "a.wav"))
    assert found.clipped_share == pytest.approx(2 / 3, abs=0.002)
    assert found.peak_db == 0.0


def test_silence_is_counted_where_it_is(tmp_path):
    quiet = np.zeros(RATE, np.float32)
    parts = [quiet[:8000], sine(300, amplitude=0.3), quiet[:4800], sine(300, amplitude=0.3), quiet[:3200]]
    audio.write_wav(tmp_path / "a.wav", np.concatenate(parts))  # 0.5 + 1 + 0.3 + 1 + 0.2 s
    found, _ = measure_clip.measure(str(tmp_path / "a.wav"))
    assert found.lead_s == pytest.approx(0.5)
    assert found.trail_s == pytest.approx(0.2)
    assert found.silence_share == pytest.approx(1 / 3)
    assert found.active_db == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.05)
    assert found.rms_db == pytest.approx(found.active_db + 10 * np.log10(2 / 3), abs=0.05)


def test_offset_and_channels_are_those_of_the_file(tmp_path):
    stereo = np.stack([sine(300, amplitude=0.2, rate=48_000), np.full(48_000, -0.25, np.float32)], axis=1)
    audio.write_wav(tmp_path / "a.wav", stereo, sample_rate=48_000)
    found, _ = measure_clip.measure(str(tmp_path / "a.wav"))
    assert (found.sample_rate, found.channels, found.duration_s) == (48_000, 2, 1.0)
    assert found.dc_offset == pytest.approx(-0.25, abs=1e-4)
    assert found.peak_db == pytest.approx(20 * np.log10(0.25), abs=0.01)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_segment_is_measured_without_its_surroundings(tmp_path, rate):
    loud, soft = sine(300, amplitude=0.8, rate=rate), sine(300, amplitude=0.1, rate=rate)
    audio.write_wav(tmp_path / "a.wav", np.concatenate([loud, soft, loud]), sample_rate=rate)
    path = str(tmp_path / "a.wav")
    found, _ = measure_clip.measure(path, start_s=1.0, end_s=2.0)
    assert found.duration_s == 1.0
    assert found.peak_db == pytest.approx(-20, abs=0.01)
    assert found.digest == audio.content_digest(audio.read(path, start_s=1.0, end_s=2.0))


def test_digest_is_that_of_the_feature_store(tmp_path, make_voice):
    audio.write_wav(tmp_path / "a.wav", make_voice(sample_rate=22_050), sample_rate=22_050)
    found, _ = measure_clip.measure(str(tmp_path / "a.wav"))
    assert found.digest == audio.content_digest(audio.read(tmp_path / "a.wav"))


def test_what_reading_refuses_is_refused(tmp_path):
    audio.write_wav(tmp_path / "silent.wav", np.zeros(RATE, np.float32))
    with pytest.raises(AudioError, match="silent"):
        measure_clip.measure(str(tmp_path / "silent.wav"))


# pictures of a sound


def test_a_full_scale_tone_reads_0_db_at_its_frequency():
    image = sound.spectrogram(sine(1000))
    assert image.values.shape == (513, 101) == (image.rows.size, image.times_s.size)
    assert image.rows[image.values[:, 50].argmax()] == 1000
    assert image.values[:, 50].max() == pytest.approx(0, abs=0.01)
    half = sound.spectrogram(sine(1000, amplitude=0.5))
    assert half.values[64, 50] == pytest.approx(20 * np.log10(0.5), abs=0.01)


def test_mean_log_mel_of_a_tone_peaks_at_its_band(tmp_path):
    audio.write_wav(tmp_path / "a.wav", sine(2500, amplitude=0.5))
    _, mean = measure_clip.measure(str(tmp_path / "a.wav"))
    bands = sound.mel_frequencies()
    assert mean.shape == bands.shape == (128,)
    assert abs(bands[mean.argmax()] - 2500) <= np.diff(bands)[mean.argmax()] / 2 + 1
    assert mean.max() - np.median(mean) > 40


def test_gain_moves_levels_and_leaves_the_shape():
    voice = sine(200) + sine(2000, amplitude=0.5)
    loud, soft = sound.mfcc(0.5 * voice).values[:, 20:-20], sound.mfcc(0.05 * voice).values[:, 20:-20]
    # the transform is orthonormal: 20 dB in each of 128 bands are 20 * sqrt(128) in coefficient 0, if no floor cuts
    assert (loud - soft)[0].max() <= 20 * np.sqrt(128) + 1e-3
    difference = sound.log_mel(0.5 * voice).values - sound.log_mel(0.05 * voice).values
    assert np.quantile(difference[:, 50], 0.9) == pytest.approx(20, abs=0.01)


def test_pitch_and_energy_of_a_known_tone():
    tone = np.concatenate([sine(250, amplitude=0.4), np.zeros(8000, np.float32)])  # 8 periods in a window
    times, hertz = sound.pitch(tone)
    assert times[1] == pytest.approx(0.01)
    assert np.nanmedian(hertz) == pytest.approx(250, rel=0.01)
    assert np.isnan(hertz[times > 1.1]).all()
    times, level = sound.energy(tone)
    assert level[50] == pytest.approx(20 * np.log10(0.4 / np.sqrt(2)), abs=0.02)
    assert level[-1] == sound.FLOOR_DB


@pytest.mark.parametrize("samples", [np.zeros((2, 4000), np.float32), np.zeros(100, np.float32), np.zeros(4000, int)])
def test_what_is_no_clip_is_refused(samples):
    with pytest.raises(FeatureError, match="expected"):
        sound.spectrogram(samples)


# a corpus


def test_second_time_reads_no_audio(load, voices, monkeypatch):
    first = load(voices)

    def refuse(*args, **kwargs):
        raise AssertionError("audio is read")

    monkeypatch.setattr(measure_clip, "open_reader", refuse)
    second = load(voices)
    pd.testing.assert_frame_equal(first.clips, second.clips)
    np.testing.assert_array_equal(first.log_mel, second.log_mel)


def test_changed_file_and_changed_code_are_measured_again(load, voices, tmp_path, monkeypatch):
    load(voices)
    audio.write_wav(tmp_path / voices[0]["file"], sine(300, seconds=0.7))
    row = [path.endswith(voices[0]["file"]) for path in load(voices).clips["path"]]
    assert load(voices).clips.loc[row, "duration_s"].tolist() == [0.7]
    calls = []
    real = measure_clip.measure
    monkeypatch.setattr(measure_clip, "measure", lambda *args, **kwargs: calls.append(args) or real(*args, **kwargs))
    monkeypatch.setattr(measure_clip, "code_digest", lambda: "another")
    load(voices)
    assert len(calls) == len(voices)


def test_damaged_cache_says_what_to_do(load, voices, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "measures.sqlite").write_bytes(b"no database at all, and long enough to be looked at" * 40)
    with pytest.raises(FeatureError, match="delete it"):
        load(voices)


def test_processes_give_the_same_as_one(tmp_path, make_voice):
    rows = []
    for number in range(32):
        audio.write_wav(tmp_path / f"{number}.wav", make_voice(seconds=0.3, seed=number))
        rows.append({"file": f"{number}.wav", "emotion": ("happy", "sad")[number % 2], "speaker": "a"})
    corpus = corpora.load([str(write_manifest(tmp_path, rows))], tmp_path)
    many = measure(corpus, cache=tmp_path / "many", workers=2)
    one = measure(corpus, cache=tmp_path / "one", workers=1)
    pd.testing.assert_frame_equal(many.clips, one.clips)
    np.testing.assert_allclose(many.log_mel, one.log_mel, atol=1e-3)
    with sqlite3.connect(tmp_path / "many" / "measures.sqlite") as database:
        assert database.execute("SELECT COUNT(*) FROM clips").fetchone() == (32,)


def test_counts_are_those_of_the_labels(load, voices):
    measured = load(voices)
    by_emotion = checked.counts_by_emotion(measured).table.set_index("emotion")
    assert by_emotion["clips"].to_dict() == {"neutral": 4, "happy": 6, "sad": 8}
    assert by_emotion["share_percent"].sum() == pytest.approx(100, abs=0.02)
    assert by_emotion["minutes"].tolist() == pytest.approx([0.03, 0.05, 0.07], abs=0.004)
    found = checked.counts_by_speaker(measured)
    table = found.table.set_index("speaker")
    assert table.loc["toy-b", ["sex", "neutral", "happy", "sad", "all"]].tolist() == ["male", 2, 2, 4, 8]
    assert "Every speaker has every emotion" in found.text
    kinds = checked.counts_by_kind(measured).table.set_index(["kind", "level"])
    assert kinds.loc[("intensity", "strong")].tolist() == [0, 3, 4]
    assert kinds.loc[("sex", "female")].tolist() == [2, 4, 4]
    assert kinds.loc[("statement", "dogs")].tolist() == [2, 2, 4]


def test_association_is_cramers_v(load, voices):
    from scipy.stats.contingency import association

    grid = pd.crosstab(load(voices).clips["intensity"], load(voices).clips["emotion"])
    expected = association(grid.to_numpy(), method="cramer")
    assert f"intensity 2 (V {expected:.2f})" in checked.counts_by_kind(load(voices)).text


def test_corpus_without_sex_intensity_statement_or_speaker(load, voices):
    measured = load([{key: row[key] for key in ("file", "emotion")} for row in voices])
    kinds = checked.counts_by_kind(measured)
    assert kinds.figure is None and kinds.table.empty
    assert "does not tell: sex, intensity, statement" in kinds.text
    assert "The speaker of 18 clips is not known" in checked.counts_by_speaker(measured).text
    example = signals.choose(measured)
    assert set(example.rows) == {"neutral", "happy", "sad"}
    assert "What is said is not known" in example.text
    assert [finding.name for finding in signals.findings(measured)][-1] == "mean-mfcc"


def test_rejected_files_are_listed_with_the_reason(load, voices, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF\0\0\0\0WAVEnothing of use")
    audio.write_wav(tmp_path / "silent.wav", np.zeros(RATE, np.float32))
    more = [{**voices[0], "file": name} for name in ("broken.wav", "silent.wav", "absent.wav")]
    more.append({**voices[0], "file": voices[1]["file"], "emotion": "hungry"})
    measured = load([*voices, *more])
    assert len(measured.clips) == len(measured.log_mel) == len(measured.corpus) == len(voices)
    table = checked.left_out(measured).table.set_index("path")["reason"]
    assert "silent" in table["silent.wav"]
    assert "damaged" in table["broken.wav"]
    assert table.index.tolist().count("absent.wav") == 1
    assert "hungry" in " ".join(table)
    assert not any(str(tmp_path) in reason for reason in table[["silent.wav", "broken.wav"]])


def test_not_one_clip_that_can_be_read(load, voices, tmp_path):
    audio.write_wav(tmp_path / "silent.wav", np.zeros(RATE, np.float32))
    with pytest.raises(FeatureError, match="not one of 1 clips"):
        load([{**voices[0], "file": "silent.wav"}])


def test_duplicates_are_found_by_sound(load, voices, tmp_path):
    assert checked.duplicates(load(voices)).table.empty
    (tmp_path / "copy.wav").write_bytes((tmp_path / voices[0]["file"]).read_bytes())
    found = checked.duplicates(load([*voices, {**voices[0], "file": "copy.wav", "emotion": "sad"}]))
    assert found.table[["group", "path", "emotion"]].to_numpy().tolist() == [
        [1, voices[0]["file"], "neutral"],
        [1, "copy.wav", "sad"],
    ]
    assert "Of these, 1 have different" in found.text


def test_checks_count_what_is_wrong(load, voices, tmp_path):
    audio.write_wav(tmp_path / "clipped.wav", np.clip(sine(200, amplitude=3), -1, 1))
    audio.write_wav(tmp_path / "offset.wav", sine(200, amplitude=0.2) + np.float32(0.1))
    audio.write_wav(tmp_path / "soft.wav", sine(200, amplitude=0.002))
    names = ("clipped.wav", "offset.wav", "soft.wav")
    table = checked.checks(load([*voices, *({**voices[0], "file": name} for name in names)])).table
    counts = table.set_index("check")["clips"]
    assert counts["over 0.1 % of samples at full scale (clipped)"] == 1
    assert counts["mean over 1 % of full scale (DC offset)"] == 1
    assert counts["level under -50 dB (very soft)"] == 1
    assert counts["longer than 30 s"] == 0
    assert table.set_index("check")["such_as"]["level under -50 dB (very soft)"] == "soft.wav"


def test_summaries_are_quantiles(load, voices):
    measured = load(voices)
    table = checked.levels(measured).table.set_index(["measure", "emotion"])
    values = measured.clips.loc[measured.clips["emotion"] == "sad", "peak_db"]
    assert table.loc[("peak_db", "sad"), "median"] == pytest.approx(values.median(), abs=1e-4)
    assert table.loc[("peak_db", "sad"), "p95"] == pytest.approx(values.quantile(0.95), abs=1e-4)
    assert table.loc[("peak_db", "all"), "clips"] == len(voices)


# the signal


def test_chosen_clips_differ_in_emotion_alone(load, voices):
    measured = load(voices)
    chosen = measured.clips.loc[list(signals.choose(measured).rows.values())]
    assert chosen["emotion"].tolist() == ["neutral", "happy", "sad"]
    assert set(chosen["speaker"]) == {"toy-a"}  # "b" has no happy "dogs", and "dogs" comes before "kids"
    assert set(chosen["statement"]) == {"dogs"}
    assert set(chosen["intensity"]) == {"normal"}


def test_missing_emotion_is_taken_from_elsewhere_and_said(load, voices):
    kept = [row for row in voices if not (row["speaker"] == "a" and row["emotion"] == "happy")]
    kept = [row for row in kept if not (row["speaker"] == "b" and row["emotion"] == "sad")]
    kept = [row for row in kept if (row["statement"], row["emotion"]) != ("kids", "happy")]
    kept.append({**voices[0], "file": "last.wav", "emotion": "happy", "speaker": "c"})
    audio.write_wav(next(iter(load(voices).corpus.table["path"])).rpartition("/")[0] + "/last.wav", sine(200))
    example = signals.choose(load(kept))
    assert "for want of such a clip: happy" in example.text


def test_images_have_common_scales_and_tables_the_numbers_of_the_pictures(load, voices):
    measured = load(voices)
    found = {finding.name: finding for finding in signals.findings(measured)}
    for name in ("spectrograms", "mel-spectrograms", "mfcc"):
        shown = [image for axes in found[name].figure.axes for image in axes.get_images()]
        assert len({image.get_clim() for image in shown}) == 1 and len(shown) == 3
        drawn = np.concatenate([np.asarray(image.get_array()).T for image in shown])
        numbers = found[name].table.drop(columns=["emotion", "time_s"]).to_numpy()
        np.testing.assert_allclose(numbers, drawn, atol=0.051)
    panels = found["waveforms"].figure.axes
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in panels if axes.get_visible()}) == 1
    medians = found["pitch-contours"].table.groupby("emotion")["pitch_hz"].median()
    assert medians.to_dict() == pytest.approx(PITCH_HZ, rel=0.1)


def test_means_of_emotions_are_means_of_their_clips(load, voices):
    measured = load(voices)
    mean = measured.log_mel[(measured.clips["emotion"] == "sad").to_numpy()].mean(axis=0)
    table = signals.mean_log_mel(measured).table
    np.testing.assert_allclose(table.loc[table["emotion"] == "sad", "mean_db"], mean, atol=1e-3)
    mfcc = signals.mean_mfcc(measured).table
    first = mfcc[(mfcc["emotion"] == "sad") & (mfcc["coefficient"] == 0)]["mean_db"].item()
    assert first == pytest.approx(mean.sum() / np.sqrt(128), abs=1e-2)
    assert (table["p10_db"] <= table["p90_db"]).all()


@pytest.mark.corpus
def test_two_actors_of_ravdess(data, tmp_path):
    whole = corpora.load(["ravdess"], data)
    table = whole.table
    table = table[table["speaker"].isin(["ravdess-07", "ravdess-08"])]
    corpus = Corpus(table, "ravdess", [Rejected("one.wav", "left out by hand")])
    measured = measure(corpus, cache=tmp_path, workers=1)
    assert len(measured.clips) == 120
    assert checked.counts_by_emotion(measured).table["clips"].tolist() == [8, *[16] * 7]
    # published with the same sound under two names
    twice = [PurePath(path).stem for path in checked.duplicates(measured).table["path"]]
    assert twice == ["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]
    assert checked.left_out(measured).table["path"].tolist() == ["one.wav"]
    active = measured.clips.groupby("emotion")["active_db"].median()
    assert active["angry"] > active["calm"] + 10
    example = signals.choose(measured)
    chosen = measured.clips.loc[list(example.rows.values())]
    assert chosen[["speaker", "statement", "intensity"]].drop_duplicates().to_numpy().tolist() == [
        ["ravdess-07", "dogs", "normal"]
    ]
    mel = signals.mean_log_mel(measured).table
    level = mel.groupby("emotion")["mean_db"].mean()
    assert level["angry"] > level["calm"] + 8
