"""Archives on this machine: rows, failures, going on, and what decides the rows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import emotone
from emotone.bulk.annotate import annotate
from emotone.bulk.engines import LocalEngine
from emotone.bulk.settings import AnnotateSettings
from emotone.errors import ConfigError, EmotoneError
from support import handmade
from support.annotated import check_each_once, failures, rows

pytestmark = pytest.mark.slow

N_FILES = 16


@pytest.fixture
def settings(bundle):
    return AnnotateSettings(model=bundle, part_files=5)


@pytest.fixture(scope="module")
def done(archive, bundle, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "emotions"
    calls = []
    summary = annotate(
        archive,
        out,
        settings=AnnotateSettings(model=bundle, part_files=5),
        engine=LocalEngine(2),
        progress=lambda *step: calls.append(step),
    )
    return out, summary, calls


def test_each_recording_has_a_row_or_a_failure(done):
    out, summary, _ = done
    check_each_once(out, N_FILES)
    assert (summary.n_files, summary.n_rows, summary.n_failures) == (N_FILES, 12, 4)
    assert summary.passed_over == {".txt": 1}
    assert {(row["file"].rsplit("/", 1)[-1], row["code"]) for row in failures(out)} == {
        ("text.wav", "not_audio"),
        ("empty.wav", "not_audio"),
        ("short.wav", "too_short"),
        ("silent.wav", "silent"),
    }
    assert all(row["file"] in row["message"] for row in failures(out))
    assert sorted(path.name for path in out.iterdir()) == ["failures.parquet", "run.json", "segments"]


def test_rows_are_the_answers_of_the_recognizer(done, bundle):
    recognizer = emotone.Recognizer(bundle)
    for row in rows(done[0]):
        answer = recognizer.predict(row["file"]).to_dict()
        assert {name: row[name] for name in ("start_s", "end_s", "emotion", "label")} == {
            name: answer[name] for name in ("start_s", "end_s", "emotion", "label")
        }
        for emotion, score in answer["scores"].items():
            assert row[f"score_{emotion}"] == pytest.approx(score, abs=1e-6)
        assert row["model"] == recognizer.card["sha256"]
        assert row["speaker"] is None and row["notes"] == []


def test_run_describes_itself(done, archive, bundle):
    run = json.loads((done[0] / "run.json").read_text())
    assert run["finished"] and run["settings"]["inputs"] == [str(archive)]
    assert run["settings"]["model"] == bundle and run["versions"]["emotone"] == emotone.__version__
    assert (run["n_files"], run["n_rows"], run["n_failures"]) == (N_FILES, 12, 4)
    assert run["sound_s"] == pytest.approx(12.0) and run["seconds"] > 0


def test_progress_counts_all_recordings(done):
    counts = [(step[0], step[1]) for step in done[2] if "recordings," in step[2]]
    assert counts[-1] == (N_FILES, N_FILES) and sorted(counts) == counts


def test_run_that_is_done_is_not_repeated(done, settings, archive):
    times = {path: path.stat().st_mtime_ns for path in done[0].rglob("*")}
    summary = annotate(archive, done[0], settings=settings)
    assert summary.was_done and replace(summary, was_done=False) == done[1]
    assert {path: path.stat().st_mtime_ns for path in done[0].rglob("*")} == times


class _Stops(LocalEngine):
    """An engine that stops after some parts, as Ctrl-C does."""

    def __init__(self, n_parts):
        super().__init__(1)
        self._n_parts = n_parts

    def run(self, job, numbers, *, tick):
        for number, report in enumerate(super().run(job, numbers, tick=tick)):
            if number == self._n_parts:
                raise KeyboardInterrupt
            yield report


@pytest.mark.parametrize("n_parts", [0, 1, 3])
def test_run_that_was_stopped_goes_on(done, settings, archive, tmp_path, n_parts):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        annotate(archive, out, settings=settings, engine=_Stops(n_parts))
    assert not json.loads((out / "run.json").read_text())["finished"]
    written = {path: path.stat().st_mtime_ns for path in (out / "segments").glob("*")}
    assert len(written) >= n_parts
    summary = annotate(archive, out, settings=settings, engine=LocalEngine(2))
    assert rows(out) == rows(done[0]) and failures(out) == failures(done[0])
    assert {path: path.stat().st_mtime_ns for path in written} == written  # nothing is done twice
    assert (summary.n_rows, summary.n_failures, summary.sound_s) == (12, 4, done[1].sound_s)
    check_each_once(out, N_FILES)


def test_files_that_came_later_are_not_in_a_run_that_goes_on(settings, tmp_path, archive):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.wav").write_bytes((archive / "anna" / "0.wav").read_bytes())
    with pytest.raises(KeyboardInterrupt):
        annotate(folder, tmp_path / "out", settings=settings, engine=_Stops(1))
    (folder / "00.wav").write_bytes((archive / "ben" / "0.wav").read_bytes())
    annotate(folder, tmp_path / "out", settings=settings)
    check_each_once(tmp_path / "out", 8)


def test_other_settings_are_refused(done, settings, archive):
    with pytest.raises(ConfigError, match="threshold is 0.9, there None"):
        annotate(archive, done[0], settings=replace(settings, threshold=0.9))
    with pytest.raises(ConfigError, match="inputs is"):
        annotate(archive / "anna", done[0], settings=settings)


def test_typing_error_in_the_inputs_costs_nothing(settings, archive, tmp_path):
    """Before the recordings are listed, the folder belongs to no run yet."""
    with pytest.raises(ConfigError):
        annotate(str(tmp_path / "gone.csv"), tmp_path / "out", settings=settings)
    (tmp_path / "empty.csv").write_text("file\n")
    with pytest.raises(ConfigError, match="there are no recordings"):
        annotate(str(tmp_path / "empty.csv"), tmp_path / "out", settings=settings)
    assert annotate(archive, tmp_path / "out", settings=settings).n_rows == 12


def test_run_goes_on_from_another_folder(settings, archive, tmp_path, monkeypatch):
    """Names that were relative when the recordings were listed stay what they were."""
    monkeypatch.chdir(archive)
    with pytest.raises(KeyboardInterrupt):
        annotate(["anna", "ben"], tmp_path / "out", settings=settings, engine=_Stops(1))
    monkeypatch.chdir(tmp_path)
    assert annotate(["anna", "ben"], tmp_path / "out", settings=settings).n_failures == 0
    check_each_once(tmp_path / "out", 12)
    assert rows(tmp_path / "out")[0]["file"] == "anna/0.wav"


def test_failures_of_relative_names_can_be_tried_again(settings, archive, tmp_path, monkeypatch):
    monkeypatch.chdir(archive)
    annotate("text.wav", tmp_path / "out", settings=settings)
    monkeypatch.chdir(tmp_path)
    annotate(str(tmp_path / "out" / "failures.parquet"), tmp_path / "again", settings=settings)
    (failure,) = failures(tmp_path / "again")
    assert failure["code"] == "not_audio" and failure["file"] == str(archive / "text.wav")


def test_channels_of_a_manifest_are_read_and_their_failures_can_be_tried_again(settings, tmp_path):
    both = np.stack([handmade.tone(0.02), handmade.tone(0.2)], axis=1)
    soundfile.write(tmp_path / "call.wav", both, 16_000, subtype="FLOAT")
    (tmp_path / "list.csv").write_text("file,channel\ncall.wav,left\ncall.wav,2\ncall.wav,3\ncall.wav,\n")
    annotate(str(tmp_path / "list.csv"), tmp_path / "out", settings=replace(settings, channel="right"))
    answers = [(row["channel"], row["emotion"]) for row in rows(tmp_path / "out")]
    assert answers == [("left", "sad"), ("2", "angry"), (None, "angry")]
    annotate(str(tmp_path / "out" / "failures.parquet"), tmp_path / "again", settings=settings)
    (failure,) = failures(tmp_path / "again")
    assert (failure["channel"], failure["code"]) == ("3", "no_channel")


def test_input_whose_name_is_no_text_goes_on(settings, archive, tmp_path):
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.wav").write_bytes((archive / "anna" / "0.wav").read_bytes())
    with pytest.raises(KeyboardInterrupt):
        annotate(folder, tmp_path / "out", settings=settings, engine=_Stops(1))
    assert annotate(folder, tmp_path / "out", settings=settings).n_rows == 8


def test_source_profile_that_was_changed_is_refused(adaptive_bundle, archive, tmp_path):
    recognizer = emotone.Recognizer(adaptive_bundle)
    settings = AnnotateSettings(model=adaptive_bundle, source_profile=str(tmp_path / "source.json"), part_files=4)
    recognizer.adapt_source(sorted(archive.glob("ben/*.wav"))).save(tmp_path / "source.json")
    with pytest.raises(KeyboardInterrupt):
        annotate([str(archive / "anna"), str(archive / "ben")], tmp_path / "out", settings=settings, engine=_Stops(1))
    recognizer.adapt_source(sorted(archive.glob("anna/*.wav"))).save(tmp_path / "source.json")
    with pytest.raises(ConfigError, match="the source profile is another one"):
        annotate([str(archive / "anna"), str(archive / "ben")], tmp_path / "out", settings=settings)


def test_folder_of_other_things_is_refused(settings, archive, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"contains 'thesis.txt'"):
        annotate(archive, tmp_path, settings=settings)


def test_damaged_run_is_an_error(settings, archive, tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        annotate(archive, tmp_path, settings=settings)


def test_speakers_of_folders_are_adapted_as_predict_does_it(adaptive_bundle, archive, tmp_path):
    """The answers are those of profiles that are computed by themselves."""
    out = tmp_path / "out"
    annotate(
        [str(archive / "anna"), str(archive / "ben")],
        out,
        settings=AnnotateSettings(model=adaptive_bundle, speaker_from="parent-folder", part_files=4),
        engine=LocalEngine(2),
    )
    recognizer = emotone.Recognizer(adaptive_bundle)
    clips = {name: sorted(str(path) for path in (archive / name).glob("*.wav")) for name in ("anna", "ben")}
    profiles = emotone.adapted_profiles(recognizer, clips)
    made = rows(out)
    assert [row["speaker"] for row in made] == ["anna"] * 6 + ["ben"] * 6
    assert {row["adapted_speaker"] for row in made} == {6}
    for row in made:
        source = replace(profiles[row["speaker"]], source=None)
        prediction = recognizer.predict(row["file"], profile=source)
        assert row["score_sad"] == pytest.approx(prediction.scores["sad"], abs=1e-6)
    plain = [recognizer.predict(row["file"]).scores["sad"] for row in made]
    assert max(abs(row["score_sad"] - score) for row, score in zip(made, plain, strict=True)) > 0.01


def test_source_of_another_run_can_be_used(adaptive_bundle, archive, tmp_path):
    recognizer = emotone.Recognizer(adaptive_bundle)
    profile = recognizer.adapt_source(sorted(archive.glob("ben/*.wav")))
    profile.save(tmp_path / "source.json")
    settings = AnnotateSettings(model=adaptive_bundle, source_profile=str(tmp_path / "source.json"))
    annotate([str(archive / "anna")], tmp_path / "out", settings=settings)
    for row in rows(tmp_path / "out"):
        assert row["adapted_source"] == 6
        assert row["score_sad"] == pytest.approx(
            recognizer.predict(row["file"], profile=profile).scores["sad"], abs=1e-6
        )


def test_adaptation_can_be_left_out(adaptive_bundle, archive, tmp_path):
    settings = AnnotateSettings(model=adaptive_bundle, speaker_from="parent-folder", adapt="none")
    annotate([str(archive / "anna")], tmp_path / "out", settings=settings)
    made = rows(tmp_path / "out")
    assert {row["speaker"] for row in made} == {"anna"}
    assert {(row["adapted_source"], row["adapted_speaker"]) for row in made} == {(0, 0)}


def test_speaker_of_a_manifest(adaptive_bundle, archive, tmp_path):
    lines = ["file;who;start_s;end_s"]
    lines += [f"{archive}/anna/{number}.wav;Anna;0.1;0.9" for number in range(4)]
    lines += [f"{archive}/ben/0.wav;;;", f"{archive}/gone.wav;Ben;;"]
    manifest = tmp_path / "calls.csv"
    manifest.write_text("\n".join(lines), encoding="utf-8-sig")
    settings = AnnotateSettings(model=adaptive_bundle, speaker_from="who")
    annotate([str(manifest)], tmp_path / "out", settings=settings)
    made = rows(tmp_path / "out")
    assert [(row["speaker"], row["start_s"], row["end_s"]) for row in made] == [("Anna", 0.1, 0.9)] * 4 + [
        (None, 0.0, 1.0)
    ]
    assert [row["adapted_speaker"] for row in made] == [4, 4, 4, 4, 0]
    (failure,) = failures(tmp_path / "out")
    assert (failure["row"], failure["code"]) == (5, "not_found")


def test_failures_can_be_tried_again(done, settings, archive, tmp_path):
    summary = annotate([str(done[0] / "failures.parquet")], tmp_path / "again", settings=settings)
    assert (summary.n_files, summary.n_failures) == (4, 4)


def test_embedding_is_the_mean_of_the_speech(settings, archive, tmp_path, bundle):
    annotate([str(archive / "anna")], tmp_path / "out", settings=replace(settings, embedding=True))
    for row in rows(tmp_path / "out"):
        assert row["embedding"] == pytest.approx(emotone.Recognizer(bundle).embedding(row["file"]).tolist(), abs=1e-6)


def test_rows_of_timelines_are_their_segments(archive, bundle, tmp_path):
    call = Path(__file__).parents[2] / "samples" / "conversation.ogg"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "call.ogg").write_bytes(call.read_bytes())
    (tmp_path / "in" / "silent.wav").write_bytes((archive / "silent.wav").read_bytes())
    settings = AnnotateSettings(model=bundle, timeline=True, speakers="one")
    summary = annotate([str(tmp_path / "in")], tmp_path / "out", settings=settings)
    timeline = emotone.Recognizer(bundle).timeline(call, speakers="one", adapt=False)
    assert len(timeline.segments) >= 2  # or the next line shows nothing
    made = rows(tmp_path / "out")
    assert [(row["start_s"], row["end_s"], row["label"], row["confidence"]) for row in made if row["row"] == 0] == [
        (round(part.start_s, 3), round(part.end_s, 3), part.label, pytest.approx(part.confidence, abs=1e-6))
        for part in timeline.segments
    ]
    assert summary.sound_s == pytest.approx(timeline.duration_s + 1.0, abs=0.01)  # of the recordings, not the speech
    silent = [row for row in made if row["row"] == 1]
    assert [(row["label"], row["confidence"]) for row in silent] == [("no speech", None)]
    assert silent[0]["score_sad"] is None  # not NaN, which a mean would take
    assert not failures(tmp_path / "out")


def test_archive_without_recordings(settings, tmp_path):
    (tmp_path / "in").mkdir()
    summary = annotate([str(tmp_path / "in")], tmp_path / "out", settings=settings)
    assert (summary.n_rows, summary.n_failures) == (0, 1)
    assert "no recording in this folder" in failures(tmp_path / "out")[0]["message"]


def test_model_that_is_missing_is_an_error_before_anything_is_written(archive, tmp_path):
    with pytest.raises(EmotoneError):
        annotate(archive, tmp_path / "out", settings=AnnotateSettings(model=str(tmp_path / "gone")))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"adapt": "maybe"}, "expected 'auto' or 'none'"),
        ({"speakers": 2}, "is for timelines"),
        ({"speakers": "two", "timeline": True}, "expected 'auto'"),
        ({"speakers": 2, "timeline": True, "speaker_from": "parent-folder"}, "leave out one"),
        ({"embedding": True, "timeline": True}, "leave out embedding or timeline"),
        ({"adapt": "none", "source_profile": "x.json"}, "excludes source_profile"),
        ({"time_limit_s": 0}, "time_limit_s"),
        ({"part_files": 0}, "part_files"),
    ],
)
def test_settings_that_exclude_each_other(values, message):
    with pytest.raises(ConfigError, match=message):
        AnnotateSettings(**values)
