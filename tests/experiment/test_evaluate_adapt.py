"""Evaluation of a bundle that hears each speaker first, with a model whose answers can be worked out."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from emotone.audio import read, write_wav
from emotone.cli.main import app
from emotone.errors import ConfigError
from emotone.experiment import evaluate
from emotone.recognition.recognizer import Recognizer
from support import handmade

pytestmark = pytest.mark.slow

EMOTIONS = ("happy", "sad", "angry")
#: Speaker -> loudness of the clips; "" is somebody, of whom nothing is known.
LEVELS = {"anna": (0.15, 0.2, 0.25), "ben": (0.03, 0.05, 0.1), "": (0.2, 0.04)}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    content = handmade.graph(optional=handmade.ADAPTS)
    return handmade.write(tmp_path_factory.mktemp("bundle") / "relative", content=content, adapts=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("plain") / "loudness")


def write_corpus(folder, levels=LEVELS, *, name="voices", **more):
    rows = []
    for speaker, values in levels.items():
        for number, level in enumerate(values):
            file = f"{speaker or 'somebody'}-{number}.wav"
            write_wav(folder / file, handmade.tone(level))
            rows.append({"file": file, "emotion": EMOTIONS[number % 3], "speaker": speaker})
    path = folder / f"{name}.csv"
    pd.DataFrame(rows).assign(**more).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def evaluated(bundle, corpus, tmp_path_factory):
    out, steps = tmp_path_factory.mktemp("out") / "adapted", []
    told = evaluate(
        bundle, (str(corpus),), corpus.parent, adapt="speaker", out=out, progress=lambda *step: steps.append(step)
    )
    return told, pd.read_parquet(out / "predictions.parquet"), out, steps


def scores_of(row):
    return np.array([row[f"score_{emotion}"] for emotion in EMOTIONS])


def over_shared(scores):
    """Without neutral, which the corpus has not."""
    return np.asarray(scores)[1:] / np.sum(scores[1:])


def test_every_clip_is_judged_against_the_mean_over_all_clips_of_its_speaker(evaluated):
    _, table, _, _ = evaluated
    assert len(table) == 8
    for _, row in table.iterrows():
        levels = LEVELS[row["speaker"].removeprefix("voices-")]
        heard = len(levels) if row["speaker"] else 0
        expected = handmade.expected(read(row["path"]), mean=np.mean(levels), heard=heard)
        np.testing.assert_allclose(scores_of(row), over_shared(expected), atol=2e-3)


def test_answers_are_those_of_the_recognizer_with_that_profile(evaluated, bundle):
    told, table, _, _ = evaluated
    recognizer = Recognizer(bundle)
    unsure, changed = [], 0
    for speaker, clips in table.groupby("speaker"):
        profile = recognizer.adapt(clips["path"]) if speaker else None
        for _, row in clips.iterrows():
            answer = recognizer.predict(row["path"], profile=profile)
            unsure.append(answer.emotion is None)
            np.testing.assert_allclose(scores_of(row), over_shared(list(answer.scores.values())), atol=1e-7)
            without = over_shared(list(recognizer.predict(row["path"]).scores.values()))
            changed += np.abs(scores_of(row) - without).max() > 0.01
    assert told["unsure"] == np.mean(unsure)
    assert changed == 6  # all but those of somebody


def test_a_clip_of_nobody_known_is_answered_plainly(evaluated, bundle, corpus):
    _, table, _, _ = evaluated
    plain = evaluate(bundle, (str(corpus),), corpus.parent)
    recognizer = Recognizer(bundle)
    of_nobody = table[table["speaker"] == ""]
    assert len(of_nobody) == 2
    for _, row in of_nobody.iterrows():
        expected = over_shared(list(recognizer.predict(row["path"]).scores.values()))
        np.testing.assert_allclose(scores_of(row), expected, atol=1e-7)
    assert "adapted" not in plain["protocol"]["words"]


def test_protocol_says_that_it_is_adapted(evaluated, bundle, corpus):
    told, _, out, _ = evaluated
    words = ", adapted to each speaker by all of the speaker's clips, unlabelled"
    assert told["protocol"]["words"].endswith(f"tested on voices{words}")
    assert told["protocol"]["description"] == told["protocol"]["words"]
    assert json.loads((out / "metrics.json").read_text()) == told


def test_progress_adapts_to_the_speakers_then_evaluates_and_never_goes_back(evaluated):
    _, _, _, steps = evaluated
    done = [step[0] for step in steps]
    assert done == sorted(done)
    assert [step[2] for step in steps] == ["adapting to the speakers"] * 2 + ["evaluating"] * 8
    assert steps[1][:2] == (500, 1000) and steps[-1][:2] == (1000, 1000)


def test_a_folder_of_the_other_kind_of_evaluation_is_refused(evaluated, bundle, corpus, tmp_path):
    _, _, out, _ = evaluated
    common = (bundle, (str(corpus),), corpus.parent)
    before = evaluate(*common, out=tmp_path / "plain")
    settings = json.loads((tmp_path / "plain" / "evaluation.json").read_text())
    assert "adapt" not in settings  # as evaluations of before have it
    assert json.loads((out / "evaluation.json").read_text()) == settings | {"adapt": "speaker"}
    with pytest.raises(ConfigError, match=r"plain. contains another evaluation; expected .*choose another folder"):
        evaluate(*common, adapt="speaker", out=tmp_path / "plain")
    with pytest.raises(ConfigError, match="adapted. contains another evaluation"):
        evaluate(*common, out=out)
    assert json.loads((tmp_path / "plain" / "metrics.json").read_text()) == before


def test_a_bundle_that_can_not_adapt_is_refused_before_any_corpus_is_read(plain, tmp_path):
    with pytest.raises(ConfigError, match=r"\(by hand\) can't adapt to a speaker; .*--model adaptive"):
        evaluate(plain, ("no such corpus",), tmp_path, adapt="speaker", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_clip_that_can_not_be_read_is_told_once_and_heard_by_nobody(bundle, tmp_path):
    corpus = write_corpus(tmp_path, {"anna": (0.15, 0.2, 0.25, 0.3), "ben": (0.1, 0.2)})
    (tmp_path / "anna-3.wav").write_bytes(b"RIFF no sound")
    told = evaluate(bundle, (str(corpus),), tmp_path, adapt="speaker", out=tmp_path / "out")
    assert [one["path"] for one in told["rejected"]] == [str(tmp_path / "anna-3.wav")]
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    row = table[table["path"].str.endswith("anna-0.wav")].iloc[0]
    expected = handmade.expected(read(row["path"]), mean=0.2, heard=3)
    np.testing.assert_allclose(scores_of(row), over_shared(expected), atol=2e-3)


def test_segments_of_one_file_are_clips_of_their_own(bundle, tmp_path):
    levels = (0.15, 0.2, 0.25)
    write_wav(tmp_path / "all.wav", np.concatenate([handmade.tone(level) for level in levels]))
    rows = [
        {"file": "all.wav", "start": float(at), "end": at + 1.0, "emotion": EMOTIONS[at], "speaker": "anna"}
        for at in range(3)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "cut.csv", index=False)
    evaluate(bundle, (str(tmp_path / "cut.csv"),), tmp_path, adapt="speaker", out=tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    for level, (_, row) in zip(levels, table.iterrows(), strict=True):
        expected = handmade.expected(handmade.tone(level), mean=0.2, heard=3)
        np.testing.assert_allclose(scores_of(row), over_shared(expected), atol=2e-3)


def test_channels_of_one_file_are_clips_with_their_own_speakers(bundle, tmp_path):
    levels = (0.15, 0.2, 0.25)
    channels = [np.concatenate([handmade.tone(level), handmade.tone(level)]) for level in levels]
    write_wav(tmp_path / "call.wav", np.stack(channels, axis=1))
    rows = ["file,emotion,speaker,audio_channel"]
    rows += [f"call.wav,{EMOTIONS[at]},speaker {at},{number}" for at, number in enumerate(("left", 2, "3.0"))]
    (tmp_path / "calls.csv").write_text("\n".join(rows), encoding="utf-8")
    evaluate(bundle, (str(tmp_path / "calls.csv"),), tmp_path, adapt="speaker", out=tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    for level, (_, row) in zip(levels, table.iterrows(), strict=True):
        expected = handmade.expected(np.tile(handmade.tone(level), 2), mean=level, heard=1)
        np.testing.assert_allclose(scores_of(row), over_shared(expected), atol=2e-3)


def test_of_a_long_recording_every_window_counts_as_a_clip(bundle, tmp_path):
    """As `Recognizer.adapt` counts: a minute and more is never run through the model at once."""
    corpus = write_corpus(tmp_path, {"anna": (0.1, 0.1, 0.1)})
    write_wav(tmp_path / "anna-0.wav", np.tile(handmade.tone(0.2), 70))
    evaluate(bundle, (str(corpus),), tmp_path, adapt="speaker", out=tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    row = table[table["path"].str.endswith("anna-1.wav")].iloc[0]
    expected = handmade.expected(handmade.tone(0.1), mean=(46 * 0.2 + 2 * 0.1) / 48, heard=48)
    np.testing.assert_allclose(scores_of(row), over_shared(expected), atol=2e-3)


def test_speakers_of_one_name_in_two_corpora_are_two(bundle, tmp_path):
    for name, level in (("one", 0.05), ("two", 0.25)):
        (tmp_path / name).mkdir()
        write_corpus(tmp_path / name, {"anna": (level,) * 3}, name=name)
    named = tuple(str(tmp_path / name / f"{name}.csv") for name in ("one", "two"))
    evaluate(bundle, named, tmp_path, adapt="speaker", out=tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    for name, level in (("one", 0.05), ("two", 0.25)):
        row = table[table["corpus"] == name].iloc[0]
        expected = handmade.expected(handmade.tone(level), mean=level, heard=3)
        np.testing.assert_allclose(scores_of(row), over_shared(expected), atol=2e-3)


def test_command_adapts(bundle, plain, corpus):
    def told(*words):
        command = ["evaluate", *words, corpus, "--data", corpus.parent]
        return CliRunner().invoke(app, [str(word) for word in command])

    result = told("--adapt", "speaker", bundle)
    assert result.exit_code == 0, result.output
    assert "adapted to each speaker by all of the speaker's clips, unlabelled" in result.stdout
    uar = evaluate(bundle, (str(corpus),), corpus.parent, adapt="speaker")["uar"]
    assert float(re.search(r"UAR +([\d.]+)", result.stdout)[1]) == pytest.approx(100 * uar, abs=0.0501)
    assert "adapted" not in told(bundle).stdout
    result = told("--adapt", "speaker", plain)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: this model (by hand) can't adapt") and result.stderr.count("\n") == 1


def of_two_corpora(folder):
    """A quiet corpus of 41 clips, the loudest between those that a profile is made of, and a loud one of three."""
    for name, levels in (("quiet", (0.04,) * 37 + (0.05, 0.2, 0.05, 0.04)), ("loud", (0.2, 0.25, 0.3))):
        (folder / name).mkdir()
        write_corpus(folder / name, {"anna": levels[1:], "": levels[:1]}, name=name)
    return tuple(str(folder / name / f"{name}.csv") for name in ("quiet", "loud"))


def test_each_corpus_is_its_own_source_of_twenty_clips(bundle, tmp_path):
    told = evaluate(bundle, of_two_corpora(tmp_path), tmp_path, adapt="source", out=tmp_path / "out")
    words = ", adapted to each corpus by 20 of its clips, unlabelled"
    assert told["protocol"]["words"].endswith(words)
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    recognizer = Recognizer(bundle)
    for name, clips in table.groupby("corpus"):
        spread = clips.iloc[np.linspace(0, len(clips) - 1, min(20, len(clips))).round().astype(int)]
        source = recognizer.adapt_source(spread["path"])
        assert source.n_clips == {"quiet": 20, "loud": 3}[name]
        for _, row in clips.iterrows():
            answer = recognizer.predict(row["path"], profile=source)
            np.testing.assert_allclose(scores_of(row), over_shared(list(answer.scores.values())), atol=1e-7)


def test_both_is_the_speaker_within_the_corpus_and_the_corpus_for_nobody_known(bundle, tmp_path, monkeypatch):
    named, profiles, real = of_two_corpora(tmp_path), {}, Recognizer.predict

    def predict(self, path, *, profile=None, **segment):
        profiles[path] = profile
        return real(self, path, profile=profile, **segment)

    monkeypatch.setattr(Recognizer, "predict", predict)
    told = evaluate(bundle, named, tmp_path, adapt="both")
    assert (
        "by 20 of its clips, and within it to each speaker by all of the speaker's clips" in told["protocol"]["words"]
    )
    found = {"/".join(path.split("/")[-2:]): profile.adapted for path, profile in profiles.items()}
    assert found["quiet/anna-0.wav"] == {"source": 20, "speaker": 40}
    assert found["loud/anna-0.wav"] == {"source": 3, "speaker": 2}
    assert found["quiet/somebody-0.wav"] == {"source": 20, "speaker": 0}


def test_unknown_word_for_adapt_is_refused(bundle, tmp_path):
    with pytest.raises(ConfigError, match="adapt is True; expected none, source, speaker, both"):
        evaluate(bundle, ("no such corpus",), tmp_path, adapt=True)
