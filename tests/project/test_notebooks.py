"""The notebooks: stored clean, executed on generated voices and on RAVDESS, and rendered as they are."""

import hashlib
import io
import json
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient.exceptions import CellExecutionError
from PIL import Image

import emotone
from emotone import audio
from emotone.explore.finding import Finding
from emotone.report.figures.style import canvas, png

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import render_notebooks as rendering  # noqa: E402

NAMES = ("01_explore", "02_features_happy_sad", "03_train_tune_compare", "04_your_voice")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
#: A folder of some machine: of the root's usual names, and not of an address on the web.
MACHINE = re.compile(r"(?<![\w./:])/(?:bin|data|etc|home|mnt|opt|private|root|srv|tmp|usr|var|work|Users)/|[A-Z]:\\")
#: Code of RAVDESS -> pitch of the generated voice, Hz.
EMOTIONS = {"01": 110.0, "03": 260.0, "04": 150.0, "05": 360.0}  # neutral, happy, sad, angry
#: Mean pitch in openSMILE's eGeMAPS, whose features need no graph, which would take 20 s to export.
PITCH = "F0semitoneFrom27.5Hz_sma3nz_amean"
ACTORS = (1, 2, 3, 4, 8, 13)  # one of each published fold
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def source(name):
    return rendering.NOTEBOOKS / f"{name}.ipynb"


def answers(name, ask, *, cache, **parameters):
    """Execute a notebook with other parameters, and give the values of expressions at its end; and the notebook."""
    notebook = rendering.with_parameters(rendering.read(source(name)), parameters)
    told = ", ".join(f"{key!r}: {expression}" for key, expression in ask.items())
    notebook.cells.append(nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({{{told}}}))", id="asked"))
    environment = {"EMOTONE_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    done = rendering.execute(notebook, environment=environment, limit_s=600)
    outputs = [(cell.id, output) for cell in done.cells for output in cell.get("outputs", [])]
    assert [
        one for one in outputs if one[1].get("name") == "stderr"
    ] == []  # no warning, nothing that a reader wonders at
    return json.loads(outputs[-1][1].text), done


def shown(notebook, cell_id):
    """What a cell shows, as the kinds that a notebook may choose from."""
    (cell,) = [cell for cell in notebook.cells if cell.id == cell_id]
    return [output.data for output in cell.outputs if "data" in output]


# As they are stored.


def test_there_are_four_and_the_readme_names_them():
    assert sorted(path.stem for path in rendering.NOTEBOOKS.glob("*.ipynb")) == list(NAMES)
    readme = (rendering.NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"({name}.ipynb)" in readme and f"(../docs/notebooks/{name}.md)" in readme


@pytest.mark.parametrize("name", NAMES)
def test_stored_without_outputs_and_with_nothing_but_what_somebody_wrote(name):
    text = source(name).read_text(encoding="utf-8")
    notebook = json.loads(text)
    assert notebook["metadata"] == METADATA
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert 8 <= len(notebook["cells"]) <= 15
    for cell in notebook["cells"]:
        assert cell["metadata"] in ({}, {"tags": ["parameters"]})
        assert re.fullmatch(r"[a-z0-9-]+", cell["id"])
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            assert len(cell["source"]) <= 16
            assert max(len(line.rstrip("\n")) for line in cell["source"]) <= 120
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    # one way of writing it, so that a change shows as what was changed
    assert text == json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_names_no_folder_of_a_machine_and_nothing_private(name):
    written = "\n".join(cell.source for cell in rendering.read(source(name)).cells)
    assert MACHINE.search(written) is None
    assert re.search(r"\bemotone[\w.]*\._|\bimport _|, _\w", written) is None
    linked = re.findall(r"\]\((?!https://)([^)]+)\)", written)
    assert all((rendering.NOTEBOOKS / target).exists() for target in linked)


# On a small corpus.


@pytest.fixture(scope="module")
def small(tmp_path_factory, make_voice):
    """Generated voices in files named as those of RAVDESS; pitch tells the emotion, and a little the speaker."""
    data = tmp_path_factory.mktemp("corpus")
    for actor in ACTORS:
        for code, pitch_hz in EMOTIONS.items():
            for intensity, statement in (("01", "01"), ("01", "02"), ("02", "01"))[: 2 if code == "01" else 3]:
                name = f"03-01-{code}-{intensity}-{statement}-01-{actor:02d}.wav"
                seed = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
                sound = make_voice(seconds=0.5, pitch_hz=pitch_hz * (0.9 + 0.01 * actor), seed=seed)
                path = data / "ravdess" / f"Actor_{actor:02d}" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                audio.write_wav(path, sound)
    return data


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_explore_on_a_small_corpus(small, cache):
    ask = {
        "clips": "len(corpus)",
        "durations": "measured.clips['duration_s'].round(3).unique().tolist()",
        "speakers": "list(corpus.speakers)",
        "counts": "overview.counts_by_emotion(measured).table.set_index('emotion')['clips'].to_dict()",
        "examples": "{emotion: str(measured.clips['path'][row])[-24:] for emotion, row in example.rows.items()}",
    }
    found, notebook = answers("01_explore", ask, cache=cache, DATA=str(small))
    n = len(ACTORS)
    assert found["clips"] == 11 * n
    assert found["durations"] == [0.5]
    assert found["speakers"] == sorted(f"ravdess-{actor:02d}" for actor in ACTORS)
    assert found["counts"] == {"neutral": 2 * n, "happy": 3 * n, "sad": 3 * n, "angry": 3 * n}
    codes = dict(zip(("neutral", "happy", "sad", "angry"), EMOTIONS, strict=True))
    assert found["examples"] == {emotion: f"03-01-{code}-01-02-01-01.wav" for emotion, code in codes.items()}
    for cell_id, title in (("counts-by-emotion", "Clips by emotion"), ("spectrograms", "Spectrogram")):
        (told,) = shown(notebook, cell_id)
        assert told["text/html"].startswith(f"<h4>{title}</h4>")
        assert told["text/html"].count("<img ") == 1


def test_features_on_a_small_corpus(small, cache):
    ask = {
        "shape": "list(table.values.shape)",
        "pitch": f"separating.table.set_index('feature').loc['{PITCH}'].to_dict()",
        "n_shown": "int(separating.table['shown'].sum())",
        "emotions": "sorted(set(table.emotions))",
    }
    found, notebook = answers("02_features_happy_sad", ask, cache=cache, DATA=str(small), EXTRACTOR="egemaps")
    assert found["shape"] == [11 * len(ACTORS), 88]
    assert found["emotions"] == ["angry", "happy", "neutral", "sad"]
    pitch = found["pitch"]  # happy voices were made much higher than sad ones, each speaker's alike
    assert pitch["g_within"] > 5 and pitch["auc_within"] == 1.0 and pitch["q_within"] < 1e-6
    assert found["n_shown"] >= 1
    assert len(shown(notebook, "pictures")) == 3


def test_training_on_a_small_corpus(small, cache, tmp_path):
    models = ["knn"]  # RAVDESS has the others
    ask = {
        "leak": "scores['leak'].to_dict()",
        "tried": "len(tried)",
        "settings": "[name for name in tried.columns if '__' in name]",
        "tuned": "tuned.metrics['test']['uar']",
        "plain": "plain.metrics['test']['uar']",
        "files": "sorted(path.name for path in run_folder.iterdir() if not path.name.startswith('.'))",
        "best": "best",
    }
    out = tmp_path / "runs"
    given = {"EXTRACTOR": "egemaps", "OUT": str(out), "MODELS": models, "TUNED": "knn"}
    found, notebook = answers("03_train_tune_compare", ask, cache=cache, DATA=str(small), **given)

    def tested(protocol, model):
        return json.loads((out / "compared" / protocol / model / "metrics.json").read_text())["test"]

    for model in models:
        both = [tested(protocol, model)["uar"] for protocol in ("random-70-15-15", "speaker-6fold")]
        assert found["leak"][model] == pytest.approx(both[0] - both[1], abs=1e-12)
    assert found["best"] == "knn"
    assert found["tried"] == 6 * 6  # settings of the grid, for each of six folds
    assert found["settings"] == ["classifier__n_neighbors", "components__n_components"]
    assert found["plain"] == tested("speaker-6fold", "knn")["uar"]
    assert found["tuned"] == json.loads((out / "tuned" / "metrics.json").read_text())["test"]["uar"]
    assert {"model", "report.html", "metrics.json", "predictions.parquet"} <= set(found["files"])
    for cell_id in ("compare", "confusion", "speakers"):
        assert [sorted(kinds) for kinds in shown(notebook, cell_id)] == [["image/png", "text/plain"]]


def test_your_voice_answers_as_the_recogniser_does(cache):
    ask = {
        "scores": "prediction.scores",
        "label": "prediction.label",
        "adapted": "adapted.scores",
        "heard": "profile.n_clips",
        "noise": "heard.label",
        "segments": "[[one.start_s, one.end_s] for one in timeline.segments]",
        "events": "[event.kind for event in events]",
        "last": "events[-1].prediction.scores",
    }
    found, notebook = answers("04_your_voice", ask, cache=cache)
    samples = ROOT / "samples"
    recognizer = emotone.Recognizer()
    expected = recognizer.predict(samples / "woman_lively.wav")
    assert found["scores"] == pytest.approx(expected.scores, abs=1e-6)
    assert found["label"] == expected.label
    profile = recognizer.adapt([samples / "woman_plain.wav", samples / "woman_subdued.wav"])
    assert found["heard"] == profile.n_clips == 2
    expected = recognizer.predict(samples / "woman_lively.wav", profile=profile)
    assert found["adapted"] == pytest.approx(expected.scores, abs=1e-6)
    assert max(abs(found["adapted"][one] - found["scores"][one]) for one in found["scores"]) > 0.01
    assert found["noise"] == "no speech"
    # six turns; two that follow each other at once may be heard as one
    assert found["events"].count("speech_start") == found["events"].count("speech_end")
    assert 4 <= found["events"].count("speech_end") <= 6
    assert found["events"][0] == "speech_start" and found["events"][-1] == "speech_end"
    assert sum(found["last"].values()) == pytest.approx(1, abs=1e-5)
    starts_and_ends = np.array(found["segments"])
    assert (np.diff(starts_and_ends.ravel()) >= 0).all()
    assert len(shown(notebook, "timeline")) == 1


# On the real corpus: nothing is left out, and features that nobody computed before.


@pytest.fixture(scope="module")
def real_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("real-cache")


@pytest.mark.corpus
def test_explore_on_ravdess(data, real_cache):
    ask = {
        "clips": "len(corpus)",
        "speakers": "len(corpus.speakers)",
        "minutes": "measured.clips['duration_s'].sum() / 60",
        "twice": "overview.duplicates(measured).table['path'].tolist()",
        "medians": "measured.clips.groupby('emotion')['active_db'].median().to_dict()",
    }
    found, _ = answers("01_explore", ask, cache=real_cache, DATA=str(data))
    assert (found["clips"], found["speakers"]) == (1440, 24)
    assert found["minutes"] == pytest.approx(88.8, abs=0.1)
    assert len(found["twice"]) == 2  # the one recording that is there under two names
    levels = found["medians"]
    assert levels["angry"] > levels["calm"] + 15  # as the notebook says: much louder


@pytest.mark.corpus
def test_features_on_ravdess(data, real_cache):
    ask = {
        "shape": "list(table.values.shape)",
        "top": "separating.table.loc[separating.table['shown'], 'feature'].tolist()",
        "q": "separating.table['q_within'].head(20).tolist()",
        "alone": "float(separating.table['balanced_accuracy'].max())",
        "share": "features.ranking(table)['speaker_share'].median()",
    }
    found, _ = answers("02_features_happy_sad", ask, cache=real_cache, DATA=str(data))
    assert found["shape"] == [1440, 2022]
    assert len(found["top"]) == 25
    assert max(found["q"]) < 1e-6
    assert (
        0.7 < found["alone"] < 0.95
    )  # far from guessing and far from sure, for voices that the threshold has not seen
    assert found["share"] > 0.1


@pytest.mark.corpus
def test_training_on_ravdess(data, real_cache, tmp_path):
    ask = {
        "random": "scores['random-70-15-15_uar'].to_dict()",
        "honest": "scores['speaker-6fold_uar'].to_dict()",
        "plain": "plain.metrics['test']['uar']",
        "tuned": "tuned.metrics['test']['uar']",
        "clips": "plain.metrics['test']['n_clips']",
        "best": "best",
    }
    found, _ = answers("03_train_tune_compare", ask, cache=real_cache, DATA=str(data), OUT=str(tmp_path / "runs"))
    assert found["clips"] == 1440
    for model, score in found["random"].items():
        assert score > found["honest"][model] + 0.1  # knowing the speakers is worth more than ten points
    assert found["honest"][found["best"]] == max(found["honest"].values())
    assert 0.5 < found["honest"][found["best"]] < 0.65
    assert found["plain"] == found["honest"]["knn"]
    assert abs(found["tuned"] - found["plain"]) < 0.1  # as the notebook says: worth less than the leak


# As pages of the documents.


@pytest.mark.parametrize("name", NAMES)
def test_page_was_made_from_the_notebook_as_it_is(name):
    text = (rendering.PAGES / f"{name}.md").read_text(encoding="utf-8")
    notebook = rendering.read(source(name))
    assert f"SHA-256 {rendering.digest(notebook)} " in text.splitlines()[-1], "render it again: make notebooks"
    for cell in notebook.cells:
        assert "\n".join(line.rstrip() for line in rendering.linked(cell.source).splitlines()) in text
    targets = re.findall(r"\]\((?!https://)([^)]+)\)", text)
    assert all((rendering.PAGES / target).is_file() for target in targets)


@pytest.mark.parametrize("name", NAMES)
def test_page_shows_its_pictures_and_no_folder_of_a_machine(name):
    text = (rendering.PAGES / f"{name}.md").read_text(encoding="utf-8")
    named = set(re.findall(rf'src="({name}_files/[^"]+)"', text))
    assert len(re.findall(r"<img ", text)) == len(named) > 0
    there = {f"{name}_files/{path.name}" for path in (rendering.PAGES / f"{name}_files").iterdir()}
    assert there == named
    assert all((rendering.PAGES / file).stat().st_size <= rendering.MOST_BYTES for file in named)
    assert MACHINE.search(text) is None
    assert "data:image" not in text and "Traceback" not in text


def test_pages_are_small():
    files = [path for path in rendering.PAGES.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000


# What renders them.


def made(*cells):
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    notebook.metadata.update(METADATA)
    return notebook


def test_parameters_replace_what_the_tagged_cell_sets_and_nothing_else():
    tagged = nbformat.v4.new_code_cell("A = 1\nB = 2", id="p", metadata={"tags": ["parameters"]})
    notebook = made(tagged, nbformat.v4.new_code_cell("print(A, B)", id="c"))
    changed = rendering.with_parameters(notebook, {"A": "x"})
    assert [cell.source for cell in changed.cells] == ["A = 1\nB = 2", "A = 'x'", "print(A, B)"]
    assert len(notebook.cells) == 2
    with pytest.raises(ValueError, match=r"does not set \['C'\]"):
        rendering.with_parameters(notebook, {"C": 1})
    with pytest.raises(ValueError, match="0 cells are tagged 'parameters'"):
        rendering.with_parameters(made(), {})


def test_digest_is_of_the_cells_and_not_of_their_outputs():
    cell = nbformat.v4.new_code_cell("1 + 1", id="c")
    before = rendering.digest(made(cell))
    cell.outputs, cell.execution_count = [nbformat.v4.new_output("stream", text="2")], 1
    assert rendering.digest(made(cell)) == before
    cell.source = "1 + 2"
    assert rendering.digest(made(cell)) != before


def test_a_page_has_pictures_beside_it_and_no_given_parameters():
    html = f'<div><style scoped>p {{}}</style><p class="x">Words</p>\n\n<img src="data:image/png;base64,{PIXEL}"></div>'
    code = nbformat.v4.new_code_cell("draw()", id="drawn")
    code.outputs = [
        nbformat.v4.new_output("display_data", data={"text/html": html, "text/plain": "thing"}),
        nbformat.v4.new_output(
            "display_data", data={"image/png": PIXEL}, metadata={"image/png": {"width": 30, "alt": "a dot"}}
        ),
    ]
    tagged = nbformat.v4.new_code_cell("OUT = 'runs'", id="p", metadata={"tags": ["parameters"]})
    notebook = made(nbformat.v4.new_markdown_cell("# Title", id="t"), tagged, code)
    text, pictures = rendering.page(rendering.with_parameters(notebook, {"OUT": "/tmp/somewhere"}), name="page")
    assert text.splitlines() == [
        *("# Title", "", "```python", "OUT = 'runs'", "```", "", "```python", "draw()", "```", ""),
        *("<p>Words</p>", '<img src="page_files/drawn-1.png">', ""),
        *('<img src="page_files/drawn-2.png" alt="a dot" width="30">', ""),
        f"<!-- made from the notebook with SHA-256 {rendering.digest(notebook)} by scripts/render_notebooks.py -->",
    ]
    assert sorted(pictures) == ["drawn-1.png", "drawn-2.png"]
    assert all(content.startswith(b"\x89PNG") for content in pictures.values())


def test_writing_a_page_replaces_its_pictures_and_leaves_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "PAGES", tmp_path / "pages")
    rendering.write("old", {"a-1.png": b"a", "b-1.png": b"b"}, name="page")
    target = rendering.write("new", {"a-1.png": b"c"}, name="page")
    assert target.read_text() == "new"
    found = {path.relative_to(target.parent).as_posix() for path in target.parent.rglob("*")}
    assert found == {"page.md", "page_files", "page_files/a-1.png"}
    assert (target.parent / "page_files" / "a-1.png").read_bytes() == b"c"
    rendering.write("none", {}, name="page")
    assert [path.name for path in target.parent.iterdir()] == ["page.md"]


def test_what_cannot_be_rendered_is_refused_before_anything_runs(monkeypatch, capsys):
    monkeypatch.delenv("EMOTONE_DATA", raising=False)
    for arguments, reason in ((["05_none"], "there is no notebook '05_none'"), ([], "EMOTONE_DATA is not set")):
        with pytest.raises(SystemExit):
            rendering.main(arguments)
        assert reason in capsys.readouterr().err


def test_pictures_are_made_small_and_keep_their_colours():
    rng = np.random.default_rng(0)
    figure = canvas(width_inch=12, height_inch=6)
    axes = figure.add_subplot()
    axes.imshow(rng.normal(size=(150, 300)), cmap="magma", interpolation="bilinear")
    content = png(figure)
    small = rendering.small_png(content, most_bytes=300_000)
    assert len(small) <= 300_000 < len(content)

    def colours(one):
        with Image.open(io.BytesIO(one)) as picture:
            return np.asarray(picture.convert("RGB").resize((600, 300), Image.Resampling.BOX)).astype(float)

    difference = np.abs(colours(small) - colours(content))
    assert np.median(difference) < 3 and difference[0, 0].max() == 0  # white stays white
    with pytest.raises(ValueError, match="expected at most 500"):
        rendering.small_png(content, most_bytes=500)


def test_a_cell_that_fails_is_told():
    with pytest.raises(CellExecutionError, match="no such thing"):
        rendering.execute(made(nbformat.v4.new_code_cell("raise ValueError('no such thing')", id="c")))


def test_kernels_are_this_interpreter_and_leave_the_users_folders_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    done = rendering.execute(made(nbformat.v4.new_code_cell("import sys, os\nprint(sys.executable, os.getcwd())")))
    assert done.cells[0].outputs[0].text.split() == [sys.executable, str(rendering.NOTEBOOKS)]
    assert list(tmp_path.rglob("*")) == []


# How a finding shows itself.


def test_a_finding_shows_words_picture_and_the_first_rows():
    figure = canvas(width_inch=4, height_inch=2)
    table = pd.DataFrame({f"c{n}": np.arange(25) + 0.123456 for n in range(12)})
    finding = Finding("name", "A < B", "Words & more.", table, figure)
    html = finding._repr_html_()
    assert html.startswith('<h4>A &lt; B</h4>\n<p>Words &amp; more.</p>\n<img src="data:image/png;base64,')
    assert 'alt="A &lt; B" width="368">' in html
    assert "<details><summary>Table: 10 of 25 rows, 9 of 12 columns</summary>" in html
    assert html.count("<tr>") + html.count("<tr ") == 11 and "<td>9.123</td>" in html and "10.12" not in html
    assert "\n\n" not in html  # a blank line would end the block where Markdown holds it


def test_a_finding_without_a_picture_shows_its_table_at_once():
    finding = Finding("name", "Title", "Words.", pd.DataFrame({"clips": [3], "share": [np.nan], "rate": [48000.4]}))
    html = finding._repr_html_()
    assert "<img" not in html and "<details open><summary>Table: all 1 rows</summary>" in html
    assert "<td></td>" in html and "<td>48000</td>" in html
    table = pd.DataFrame({"clip": ["/data/one.wav", "Actor_01/two.wav", None]})
    html = Finding("name", "Title", "Words.", table)._repr_html_()
    assert "<td>one.wav</td>" in html and "<td>Actor_01/two.wav</td>" in html  # folders of this machine are cut off
    empty = Finding("name", "Title", "Words.", pd.DataFrame({"clips": []}))
    assert empty._repr_html_() == "<h4>Title</h4>\n<p>Words.</p>"
