"""Adapting to a speaker, from a network's bundle to the command line."""

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import emotone
from emotone.audio import write_wav
from emotone.cli.main import app
from emotone.errors import AudioError, ConfigError, ExportError, FeatureError
from emotone.export import bundle as export
from emotone.export import pipelines as export_pipelines
from emotone.export.bundle import write_bundle
from emotone.features.frames import LogMel
from emotone.features.runner import GraphRunner
from emotone.features.store import FeatureStore
from emotone.models import registry
from emotone.recognition import card as cards
from emotone.recognition import model_card
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from support import handmade

RATE = 16_000
LOUD = (0.15, 0.2, 0.25)  # levels of clips of a speaker who is always loud


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle for which a speaker's clips are as loud as usual, see `handmade.expected`."""
    content = handmade.graph(optional=handmade.ADAPTS)
    return handmade.write(tmp_path_factory.mktemp("bundle") / "relative", content=content, adapts=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("plain") / "loudness")


@pytest.fixture(scope="module")
def recognizer(bundle):
    return Recognizer(bundle)


def clip(level, **given):
    return handmade.tone(level, **given), RATE


def shares(prediction):
    return list(prediction.scores.values())


# ---- the recognizer, with a model whose answers can be worked out ----


def test_clip_is_judged_against_the_speakers_mean(recognizer):
    loud = recognizer.adapt([clip(level) for level in LOUD])
    assert loud.mean == pytest.approx([0.2], abs=1e-6) and loud.n_clips == 3 and loud.skipped == ()
    samples = handmade.tone(0.15)
    assert recognizer.predict((samples, RATE)).emotion == "angry"
    prediction = recognizer.predict((samples, RATE), profile=loud)
    np.testing.assert_allclose(shares(prediction), handmade.expected(samples, mean=0.2, heard=3), atol=1e-5)
    assert prediction.ranking[0] == "sad"
    (first,) = recognizer.predict_many([(samples, RATE)], profile=loud)
    assert first == prediction


def test_order_of_the_clips_makes_no_difference(recognizer):
    clips = [clip(level) for level in (0.03, 0.3, 0.11, 0.07, 0.19)]
    one, other = recognizer.adapt(clips), recognizer.adapt(reversed(clips))
    assert one.mean == pytest.approx(other.mean, abs=1e-15) and one.n_clips == other.n_clips == 5


def test_adapting_goes_on_from_a_profile(recognizer):
    clips = [clip(level) for level in LOUD]
    begun = recognizer.adapt(clips[:1])
    assert recognizer.adapt(clips[1:], profile=begun).mean == pytest.approx(recognizer.adapt(clips).mean, abs=1e-15)
    assert begun.n_clips == 1


def test_of_a_speaker_not_heard_yet_the_answer_is_the_plain_one(recognizer):
    source = clip(0.07)
    assert recognizer.predict(source, profile=recognizer.new_profile()) == recognizer.predict(source)


def test_live_a_profile_grows_by_the_embeddings_of_what_was_heard(recognizer):
    profile = recognizer.new_profile()
    for level in LOUD:
        samples = handmade.tone(level)
        scores, embedding = recognizer.run(samples, profile=profile)
        np.testing.assert_allclose(embedding, recognizer.run(samples)[1])  # it knows of no speaker
        expected = handmade.expected(samples, mean=profile.mean[0], heard=profile.n_clips)
        np.testing.assert_allclose(scores, expected, atol=1e-5)
        profile = profile.updated(embedding)
    assert profile == recognizer.adapt([clip(level) for level in LOUD])


def test_of_a_long_recording_every_window_is_judged_and_counts_as_a_clip(recognizer):
    # 40 s loud, 20 s of nothing, 10 s louder: five windows with sound
    silence = np.zeros(20 * RATE, "f")
    recording = np.concatenate([np.tile(handmade.tone(0.2), 40), silence, np.tile(handmade.tone(0.25), 10)])
    profile = recognizer.adapt([(recording, RATE)])
    assert profile.n_clips == 5 and profile.mean == pytest.approx([0.21], abs=1e-3)
    prediction = recognizer.predict((recording, RATE), profile=profile)
    soft, loud = (handmade.expected(handmade.tone(level), mean=0.21, heard=5) for level in (0.2, 0.25))
    np.testing.assert_allclose(shares(prediction), (4 * soft + loud) / 5, atol=2e-3)
    with pytest.raises(AudioError, match="70 s is silent"):
        recognizer.adapt([(np.zeros(70 * RATE, "f"), RATE)])


def test_clip_that_cannot_be_read_is_told_and_costs_the_others_nothing(recognizer, tmp_path):
    told = []
    clips = [clip(0.2), tmp_path / "missing.wav", clip(0.1)]
    profile = recognizer.adapt(clips, progress=lambda *step: told.append(step))
    assert profile == recognizer.adapt([clips[0], clips[2]])
    assert len(profile.skipped) == 1 and "missing.wav" in profile.skipped[0]
    assert told == [(number, 3, "adapting to the speaker") for number in (1, 2, 3)]


def test_without_a_clip_that_can_be_read_there_is_no_profile(recognizer, tmp_path):
    with pytest.raises(AudioError, match=r"none of 2 clips .*the first: .*missing\.wav"):
        recognizer.adapt([tmp_path / "missing.wav", (np.zeros(RATE, "f"), RATE)])
    with pytest.raises(AudioError, match="none of 0 clips .*give a few recordings"):
        recognizer.adapt([])
    with pytest.raises(ConfigError, match="clips is one str.*give a list"):
        recognizer.adapt("clip.wav")


def test_profile_of_another_model_is_refused(recognizer, bundle):
    other = SpeakerProfile(mean=(0.1,), n_clips=2, model="f" * 64)
    wide = SpeakerProfile(mean=(0.1, 0.1), n_clips=2, model=recognizer.card["sha256"])
    for profile, said in ((other, "of the model ffffffffffff"), (wide, "has 2 values.*takes 1")):
        for call in (
            lambda profile=profile: recognizer.predict(clip(0.1), profile=profile),
            lambda profile=profile: list(recognizer.predict_many([clip(0.1)], profile=profile)),
            lambda profile=profile: recognizer.run(handmade.tone(0.1), profile=profile),
            lambda profile=profile: recognizer.adapt([clip(0.1)], profile=profile),
        ):
            with pytest.raises(ConfigError, match=said):
                call()


def test_model_that_cannot_adapt_says_which_one_can(recognizer, plain):
    stubborn = Recognizer(plain)
    assert (stubborn.adapts, recognizer.adapts) == (False, True)
    for call in (
        stubborn.new_profile,
        lambda: stubborn.adapt([clip(0.1)]),
        lambda: stubborn.predict(clip(0.1), profile=recognizer.new_profile()),
    ):
        with pytest.raises(ConfigError, match=r"\(by hand\) can't adapt.*--model adaptive"):
            call()


def test_embedding_that_is_no_number_is_in_no_profile(tmp_path):
    content = handmade.graph(optional=handmade.ADAPTS, nan=True)
    with pytest.raises(AudioError, match="none of 1 clips .*no finite number"):
        Recognizer(handmade.write(tmp_path / "nan", content=content)).adapt([clip(0.1)])


def test_result_that_a_profile_makes_infinite_is_an_error(recognizer):
    far = SpeakerProfile(mean=(3e38,), n_clips=2, model=recognizer.card["sha256"])
    with pytest.raises(FeatureError, match="no finite number"):
        recognizer.predict(clip(0.1), profile=far)


def test_profile_is_one_of_the_packages_names():
    assert emotone.SpeakerProfile is SpeakerProfile


# ---- a fitted network ----


@pytest.fixture(scope="module")
def log_mel(request):
    """Extractor and its graph, kept between runs of the tests, since the export takes a while."""
    extractor = LogMel()
    return extractor, FeatureStore(request.config.cache.mkdir("features")).graph(extractor)


@pytest.fixture(scope="module")
def voices(make_voice):
    """Forty clips of four voices, 0.4 to 0.8 s."""
    return [
        make_voice(seconds=0.4 + 0.01 * number, pitch_hz=100 + 50 * (number % 4) + 9 * (number // 4 % 4), seed=number)
        for number in range(40)
    ]


@pytest.fixture(scope="module")
def pipeline(log_mel, voices):
    frames, X = GraphRunner(log_mel[1]), np.empty(40, dtype=object)
    X[:] = [frames(one) for one in voices]
    built = registry.get("adaptive").build(seed=0, n_jobs=1, class_weight=True)
    built.set_params(classifier__n_members=2, classifier__max_epochs=3)
    number = np.arange(40)
    return built.fit(X, number // 4 % 4, classifier__extras={"speakers": number % 4})


CARD = {
    "name": "a test",
    "emotions": handmade.EMOTIONS,
    "model": "adaptive",
    "protocol": {"name": "none", "words": "none", "speaker_disjoint": True},
    "scores": {},
    "training": {"corpora": []},
}


@pytest.fixture(scope="module")
def network(log_mel, pipeline, tmp_path_factory):
    out = tmp_path_factory.mktemp("network") / "model"
    return write_bundle(pipeline, log_mel[0], card=CARD, out=out, temperature=1.3, graph=log_mel[1])


def test_with_a_profile_the_graph_answers_as_the_fitted_network(network, pipeline, log_mel, voices, make_voice):
    recognizer, classifier = Recognizer(network), pipeline[-1]
    frames = GraphRunner(log_mel[1])
    own = classifier.embed([frames(one) for one in voices[::4]])
    profile = recognizer.adapt([(one, RATE) for one in voices[::4]])
    np.testing.assert_allclose(profile.mean, own.mean(axis=0), rtol=1e-3, atol=1e-3)
    changes = []
    for number in range(4):
        samples = make_voice(seconds=0.5 + 0.4 * number, pitch_hz=120 + 30 * number, seed=100 + number)
        embedding = classifier.embed([frames(samples)])
        for heard in (0, profile.n_clips):
            told = SpeakerProfile(mean=profile.mean, n_clips=heard, model=profile.model)
            p = classifier.adapted_proba(embedding, mean=own.mean(axis=0)[None], n_clips=np.array([heard]))[0]
            expected = p ** (1 / 1.3) / (p ** (1 / 1.3)).sum()
            found = recognizer.predict((samples, RATE), profile=told)
            np.testing.assert_allclose(shares(found), expected, atol=1e-4)
        plain = shares(recognizer.predict((samples, RATE)))
        assert plain == shares(recognizer.predict((samples, RATE), profile=recognizer.new_profile()))
        changes.append(np.abs(np.subtract(shares(found), plain)).max())
    assert min(changes) > 1e-3  # the profile is heard of


def test_card_and_readme_of_a_bundle_that_adapts_say_so(network, plain):
    card = cards.read(network)
    assert card["adapts"] is True and card["embedding"] == 512
    use = (network / "README.md").read_text().split("## Use")[1].split("## Facts")[0]
    assert "--adapt-to DIR" in use and "`speaker` [1, 512]" in use and "`heard` [1]" in use
    assert "adapt" not in model_card.readme(cards.read(plain))


def test_graph_that_adapts_otherwise_than_the_network_is_not_written(log_mel, pipeline, tmp_path, monkeypatch):
    real = export_pipelines.to_onnx

    def deaf(pipeline, n_features):
        """The graph, which takes a speaker's mean for another one."""
        model = real(pipeline, n_features)
        for node in model.graph.node:
            node.input[:] = ["doubled" if name == "speaker" else name for name in node.input]
        model.graph.node.insert(0, export.onnx.helper.make_node("Add", ["speaker", "speaker"], ["doubled"], name="d"))
        return model

    monkeypatch.setattr(export, "to_onnx", deaf)
    with pytest.raises(ExportError, match=r"differs by 0\.\d+"):
        write_bundle(pipeline, log_mel[0], card=CARD, out=tmp_path / "b", graph=log_mel[1])
    assert list(tmp_path.iterdir()) == []


# ---- the command line ----


@pytest.fixture(scope="module")
def speaker(tmp_path_factory):
    """Three clips of a loud speaker, one of them in a subfolder, and something that is no recording."""
    folder = tmp_path_factory.mktemp("speaker")
    (folder / "more").mkdir()
    for name, level in zip(("a", "b", "more/c"), LOUD, strict=True):
        write_wav(folder / f"{name}.wav", handmade.tone(level))
    (folder / "notes.txt").write_text("not looked at")
    return folder


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "clip.wav"
    write_wav(path, handmade.tone(0.15))
    return path


def predict(*arguments):
    return CliRunner().invoke(app, ["predict", *(str(argument) for argument in arguments)])


def test_predict_adapts_to_a_folder_and_a_saved_profile_gives_the_same(bundle, speaker, file, tmp_path):
    common = (file, "--model", bundle, "--format", "json")
    saved = tmp_path / "anna.json"
    result = predict(*common, "--adapt-to", speaker, "--save-profile", saved)
    assert result.exit_code == 0 and result.stderr == ""
    (told,) = json.loads(result.stdout)
    assert list(told) == ["file", "start_s", "end_s", "emotion", "label", "confidence", "scores", "speech"]
    expected = handmade.expected(handmade.tone(0.15), mean=0.2, heard=3)
    assert list(told["scores"].values()) == pytest.approx(expected, abs=1e-3)
    assert SpeakerProfile.load(saved).n_clips == 3
    again = predict(*common, "--adapt-to", saved)
    assert again.exit_code == 0 and json.loads(again.stdout) == [told]
    (plain,) = json.loads(predict(*common).stdout)
    assert max(plain["scores"], key=plain["scores"].get) == "angry"
    assert max(told["scores"], key=told["scores"].get) == "sad"


def test_table_says_to_how_many_clips_and_csv_stays_as_it_is(bundle, speaker, file):
    lines = predict(file, "--model", bundle, "--adapt-to", speaker).stdout.splitlines()
    assert lines[-1] == "adapted to 3 clips of the speaker"
    lines = predict(file, "--model", bundle, "--adapt-to", speaker / "a.wav").stdout.splitlines()
    assert lines[-1] == "adapted to 1 clip of the speaker"
    assert "adapted" not in predict(file, "--model", bundle).stdout
    rows = list(
        csv.reader(io.StringIO(predict(file, "--model", bundle, "--adapt-to", speaker, "--format", "csv").stdout))
    )
    assert rows[0] == [
        "file",
        "start_s",
        "end_s",
        "emotion",
        "confidence",
        "label",
        "speech",
        *handmade.EMOTIONS,
        "error",
    ]
    assert len(rows) == 2


def test_clip_of_the_speaker_that_cannot_be_read_is_a_note(bundle, file, tmp_path):
    write_wav(tmp_path / "a.wav", handmade.tone(0.2))
    (tmp_path / "b.wav").write_text("this is no recording")
    result = predict(file, "--model", bundle, "--adapt-to", tmp_path)
    assert result.exit_code == 0 and result.stdout.splitlines()[-1] == "adapted to 1 clip of the speaker"
    assert result.stderr.startswith("adapted without 1 of 2 clips; the first: ") and "b.wav" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["nowhere", "nowhere.json", "empty", "damaged.json", "other.json"])
def test_what_cannot_be_adapted_to_is_one_error_and_no_answer(bundle, file, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged.json").write_text("{")
    SpeakerProfile(mean=(0.1,), n_clips=2, model="f" * 64).save(tmp_path / "other.json")
    result = predict(file, "--model", bundle, "--adapt-to", tmp_path / name)
    said = {
        "nowhere": "none of 1 clips can be adapted to",
        "nowhere.json": "can't be read",
        "empty": "no recording in this folder",
        "damaged.json": "is no JSON",
        "other.json": "of the model ffffffffffff",
    }
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("error: ") and said[name] in result.stderr and result.stderr.count("\n") == 1


def test_model_that_cannot_adapt_is_one_error(plain, speaker, file, tmp_path):
    result = predict(file, "--model", plain, "--adapt-to", speaker, "--save-profile", tmp_path / "anna.json")
    assert result.exit_code == 1 and result.stdout == "" and "--model adaptive" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_saving_replaces_a_profile_and_nothing_else(bundle, speaker, file, tmp_path):
    thesis = tmp_path / "thesis.json"
    thesis.write_text("years of work")
    result = predict(file, "--model", bundle, "--adapt-to", speaker, "--save-profile", thesis)
    assert result.exit_code == 1 and "no speaker profile, and would be lost" in result.stderr
    assert thesis.read_text() == "years of work"
    for clips in (speaker / "a.wav", speaker):
        predict(file, "--model", bundle, "--adapt-to", clips, "--save-profile", tmp_path / "anna.json")
    assert SpeakerProfile.load(tmp_path / "anna.json").n_clips == 3


def test_profile_to_save_needs_clips(bundle, file, tmp_path):
    result = predict(file, "--model", bundle, "--save-profile", tmp_path / "anna.json")
    assert result.exit_code == 2 and "--adapt-to" in result.stderr
