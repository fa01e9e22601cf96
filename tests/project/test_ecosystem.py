"""The page on other tools: what its blocks give is what Emotone gives."""

import contextlib
import io
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
import pytest
import yaml

import emotone
from emotone.corpora import write_audiofolder
from emotone.errors import CorpusError
from support import shared_graphs
from support.document_blocks import Block, blocks_of, reader
from support.hugging_face import datasets_without_sound
from support.labelled_calls import labelled_calls

pytestmark = pytest.mark.slow
SAMPLES = Path(__file__).resolve().parents[2] / "samples"
BLOCKS = [block for block in blocks_of("docs/how-to/ecosystem.md") if block.language == "python"]


def run(word: str, names: dict) -> str:
    """Run the only block of the page that has a word; return what it printed."""
    (block,) = [block for block in BLOCKS if word in block.text]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(block.text, block.place, "exec"), names)  # noqa: S102 - the project's own document
    return printed.getvalue()


def test_datasets_reads_the_folder_of_the_page(tmp_path, monkeypatch) -> None:
    labelled_calls(tmp_path)
    monkeypatch.chdir(tmp_path)
    write_audiofolder(emotone.load_corpus("calls.csv"), "calls-folder", copy=True)
    datasets_without_sound(tmp_path / "cache", patch=monkeypatch)
    names: dict = {}
    printed = run("load_dataset", names)
    first = tmp_path / "calls-folder/audio/angry/speaker0_0.wav"
    assert printed.split() == [str(first), "angry", "calls-speaker0"]
    table = emotone.load_corpus("calls-folder").table
    assert [row["audio"]["path"] for row in names["calls"].to_list()] == table["path"].tolist()
    assert names["calls"]["label"][:] == table["emotion"].tolist()


def test_parquet_files_with_sound_become_a_corpus(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "downloaded" / "data"
    folder.mkdir(parents=True)
    clips = [SAMPLES / "woman_lively.wav", SAMPLES / "man_subdued.flac"]
    rows = [
        {"audio": {"bytes": clip.read_bytes(), "path": clip.name}, "label": label}
        for clip, label in zip(clips, (0, 2), strict=True)
    ]
    pd.DataFrame(rows).to_parquet(folder / "train-00000-of-00001.parquet")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match="holds the recordings themselves, in its column 'audio'"):
        emotone.load_corpus("downloaded")
    run("NAMES = ", {})
    corpus = emotone.load_corpus("calls-from-hub/calls.csv")
    assert corpus.table["emotion"].tolist() == ["angry", "sad"]
    for path, clip in zip(corpus.table["path"], clips, strict=True):
        np.testing.assert_array_equal(emotone.load_audio(path), emotone.load_audio(clip))


def test_an_extractor_in_audinterface_gives_the_features_of_emotone(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(SAMPLES.parent)
    (tmp_path / "clip.csv").write_text(f"file,emotion\n{SAMPLES / 'woman_plain.wav'},neutral\n")
    corpus = emotone.load_corpus(tmp_path / "clip.csv")
    expected = emotone.extract_features(corpus, "functionals", cache=shared_graphs.share(tmp_path / "cache"), workers=1)
    names: dict = {"emotone": emotone}
    run("interface = ", names)
    row = names["interface"].process_file("samples/woman_plain.wav")
    assert list(row.columns) == list(expected.columns)
    np.testing.assert_allclose(row.to_numpy()[0], expected.to_numpy()[0], rtol=1e-3, atol=1e-3)
    mp3 = names["interface"].process_file("samples/man_tense.mp3")
    assert np.isfinite(mp3.to_numpy()).all()


def test_a_model_in_audinterface_and_as_a_pipeline(monkeypatch) -> None:
    monkeypatch.chdir(SAMPLES.parent)
    names: dict = {"emotone": emotone}
    exec("import audinterface", names)  # noqa: S102
    run("probabilities = ", names)
    prediction = names["recognizer"].predict("samples/woman_lively.wav")
    (row,) = names["probabilities"].process_file("samples/woman_lively.wav").to_dict("records")
    assert row == pytest.approx(prediction.scores, abs=1e-4)
    run("def classify", names)
    answers = names["classify"]("samples/woman_lively.wav", top_k=3)
    assert [(answer["label"], answer["score"]) for answer in answers] == prediction.top(3)


def test_a_timeline_goes_to_label_studio_and_its_corrections_come_back(tmp_path, monkeypatch) -> None:
    (tmp_path / "samples").symlink_to(SAMPLES)
    monkeypatch.chdir(tmp_path)
    run("tasks.json", {"emotone": emotone})
    (task,) = json.loads(Path("tasks.json").read_text())
    (interface,) = [block.text for block in blocks_of("docs/how-to/ecosystem.md") if block.language == "xml"]
    view = ElementTree.fromstring(interface)  # noqa: S314 - the project's own document
    audio, labels = view.find("Audio"), view.find("Labels")
    assert audio.get("value") == "$audio" and "audio" in task["data"]
    assert {label.get("value") for label in labels} == set(emotone.Recognizer().emotions)
    timeline = emotone.Recognizer().timeline("samples/conversation.ogg")
    expected = [segment for segment in timeline.segments if segment.emotion]
    regions = task["predictions"][0]["result"]
    assert len(regions) == len(expected) > 0
    for region in regions:
        assert (region["from_name"], region["to_name"]) == (labels.get("name"), audio.get("name"))
        assert (labels.get("toName"), region["type"]) == (audio.get("name"), "labels")
    regions[0]["value"]["labels"] = ["surprised"]  # what a person corrects
    Path("export.json").write_text(json.dumps([{"data": task["data"], "annotations": [{"result": regions}]}]))
    run("export.json", {})
    table = emotone.load_corpus("corrected.csv").table
    assert table["emotion"].tolist() == ["surprised", *(segment.emotion for segment in expected[1:])]
    np.testing.assert_allclose(table["start_s"], [segment.start_s for segment in expected])
    np.testing.assert_allclose(table["end_s"], [segment.end_s for segment in expected])


def test_the_sensor_of_home_assistant_has_the_answer_of_the_service(tmp_path) -> None:
    (block,) = [block for block in blocks_of("docs/how-to/ecosystem.md") if block.language == "yaml"]
    sensor = yaml.safe_load(block.text)["command_line"][0]["sensor"]
    with reader(tmp_path) as following:
        following.run(Block(block.document, block.line, "bash", "emotone serve\n", ""))
        following.run(replace(block, language="bash", text=sensor["command"]))
        answer = json.loads(following.printed)
    state = jinja2.Environment(autoescape=True).from_string(sensor["value_template"]).render(value_json=answer)
    assert state == emotone.Recognizer().predict(SAMPLES / "woman_lively.wav").label
    assert set(sensor["json_attributes"]) <= answer.keys()
