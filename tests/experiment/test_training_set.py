"""Training sets: extra clips are used only with their speakers, and never bring in a held-out voice."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from emotone import corpora, protocols
from emotone.corpora import Corpus
from emotone.errors import CorpusError, LeakError
from emotone.experiment import Config, folds, run
from emotone.experiment.config import differing
from emotone.experiment.run import check_extra
from emotone.experiment.training_set import TrainingSet, gather, gather_balance, load
from emotone.features.columns import plain
from emotone.features.store import Features, FeatureStore
from emotone.models import registry
from emotone.models.classic import pipelines
from support import toy_experiment as toy

pytestmark = pytest.mark.slow

N_OWN, N_EXTRA = 54, 30  # every speaker but the last sings happy and angry songs, three of each


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    toy.install(monkeypatch)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    """Spoken clips of six speakers, and songs of the first five of them in two of the three emotions."""
    folder = tmp_path_factory.mktemp("both")
    (folder / "song").mkdir()
    spoken = pd.read_csv(toy.write_corpus(folder, make_voice))
    sung = pd.read_csv(toy.write_corpus(folder / "song", make_voice, name="song"))
    sung = sung[(sung["speaker"] != "s5") & (sung["emotion"] != "neutral")]
    sung = sung.assign(file="song/" + sung["file"], channel="song")
    # songs first, so that an order that happens to be right proves nothing
    pd.concat([sung, spoken.assign(channel="speech")]).to_csv(folder / "toy.csv", index=False)
    return folder / "toy.csv"


@pytest.fixture
def config(manifest, tmp_path):
    return toy.config(manifest, tmp_path / "run", train_also=("song",))


def training_set_of(config, **settings):
    config = replace(config, **settings)
    own, extra = load(config)
    return gather(own, toy.Bands(), config, store=FeatureStore(config.cache), extra=extra)


def altered(manifest, folder, change):
    """A copy of the corpus in another folder, its table changed."""
    shutil.copytree(manifest.parent, folder, dirs_exist_ok=True)
    change(pd.read_csv(folder / "toy.csv")).to_csv(folder / "toy.csv", index=False)
    return folder / "toy.csv"


# training_set
def test_own_clips_come_first_and_are_what_they_would_be_alone(config):
    alone = training_set_of(config, train_also=())
    both = training_set_of(config)
    assert (alone.n_own, len(alone.corpus)) == (N_OWN, N_OWN)
    assert (both.n_own, len(both.corpus), len(both.values)) == (N_OWN, N_OWN + N_EXTRA, N_OWN + N_EXTRA)
    pd.testing.assert_frame_equal(both.own.table, alone.corpus.table)
    assert both.own_digests == alone.digests
    np.testing.assert_array_equal(both.values[:N_OWN], alone.values)
    assert set(both.own.table["channel"]) == {"speech"}
    assert set(both.corpus.table["channel"][N_OWN:]) == {"song"}


def test_extra_clips_are_learnt_from_where_their_speaker_is(config):
    training_set = training_set_of(config, augment=("gain",))
    speakers, channel = np.asarray(training_set.speakers), training_set.corpus.table["channel"].to_numpy()
    rows = np.flatnonzero((speakers[:N_OWN] == "toy-s1") | (speakers[:N_OWN] == "toy-s5"))
    learnt = training_set.usable_rows(rows)
    assert learnt.size == 18 + 6  # s5 does not sing
    assert set(speakers[learnt[18:]]) == {"toy-s1"} and set(channel[learnt[18:]]) == {"song"}
    taken = training_set.training_rows(rows)
    # each clip, own or extra, and its copy
    assert sorted(training_set.origin[taken]) == sorted([*learnt, *learnt])
    one_clip = training_set.usable_rows(rows[:1])
    assert (
        one_clip.size == 1 + 3
    )  # one spoken clip of s1 brings the songs of s1, of the emotions that are learnt at all
    assert set(training_set.labels[one_clip]) == {training_set.labels[rows[0]]}


def test_emotions_are_balanced_over_own_and_extra_clips_together(config):
    config = replace(config, augment=("gain",), balance="augment", copies=0)
    training_set, every = training_set_of(config), np.arange(N_OWN)
    training_set = gather_balance(
        training_set, toy.Bands(), config, training_sets=[every], store=FeatureStore(config.cache)
    )
    counts = np.bincount(training_set.labels[training_set.origin[training_set.training_rows(every)]])
    assert counts.tolist() == [18, 33, 33]
    balanced = training_set.training_rows(every, balanced=True)
    assert np.bincount(training_set.labels[training_set.origin[balanced]]).tolist() == [33, 33, 33]
    # fifteen copies are missing, and 18 clips can have one: no pass over happy or angry clips is computed
    assert len(training_set.values) == N_OWN + N_EXTRA + 18


def test_what_can_serve_nothing_or_harm_is_left_out_with_a_reason(manifest, tmp_path, make_voice):
    shutil.copy(manifest.parent / "4-angry-2.wav", tmp_path / "again.wav")

    def change(table):
        song = table[table["channel"] == "song"].reset_index(drop=True)
        song.loc[0, "emotion"] = "sad"
        song.loc[1, "speaker"] = None
        song.loc[2, "speaker"] = "s9"
        song.loc[3, "file"] = "again.wav"
        return pd.concat([table[table["channel"] == "speech"], song])

    changed = altered(manifest, tmp_path, change)
    (tmp_path / "song" / "4-angry-2.wav").write_bytes(b"RIFF no sound")
    training_set = training_set_of(toy.config(changed, tmp_path / "run", train_also=("song",)))
    assert (training_set.n_own, len(training_set.corpus)) == (N_OWN, N_OWN + N_EXTRA - 5)
    reasons = {one.path.rsplit("/")[-1]: one.reason for one in training_set.left_out}
    assert reasons.keys() == {"0-happy-0.wav", "0-happy-1.wav", "0-happy-2.wav", "again.wav", "4-angry-2.wav"}
    assert reasons["0-happy-0.wav"] == "not used for training: no clip that is tested is sad"
    assert reasons["0-happy-1.wav"].startswith("not used for training: its speaker is unknown")
    assert reasons["0-happy-2.wav"] == "not used for training: toy-s9 has no clip of the channel that is tested"
    # the song that was a spoken clip would have put a tested recording into training
    assert reasons["again.wav"] == f"not used for training: the same recording as {tmp_path / '4-angry-2.wav'}"
    assert "not used for training" not in reasons["4-angry-2.wav"]  # it can't be read
    assert training_set.emotions == ("neutral", "happy", "angry")


def test_an_unreadable_own_clip_does_not_make_an_extra_clip_an_own_one(manifest, tmp_path):
    changed = altered(manifest, tmp_path, lambda table: table)
    (tmp_path / "5-happy-0.wav").write_bytes(b"RIFF no sound")
    training_set = training_set_of(toy.config(changed, tmp_path / "run", train_also=("song",)))
    assert (training_set.n_own, len(training_set.corpus)) == (N_OWN - 1, N_OWN - 1 + N_EXTRA)
    assert set(training_set.own.table["channel"]) == {"speech"}


def test_emotions_asked_for_need_not_all_be_sung(config):
    training_set = training_set_of(config, emotions=("neutral", "happy"))
    assert (training_set.n_own, len(training_set.corpus)) == (36, 36 + 15)
    assert training_set.left_out == ()  # nobody asked for the angry songs


def test_emotions_of_which_none_is_sung_are_an_error(manifest, tmp_path):
    def change(table):
        return table[(table["channel"] == "speech") | (table["emotion"] == "happy")]

    config = toy.config(altered(manifest, tmp_path, change), tmp_path / "run", train_also=("song",))
    with pytest.raises(CorpusError, match="none of 0 extra clips .* none has a selected emotion"):
        training_set_of(config, emotions=("neutral", "angry"))


def test_speech_serves_a_model_of_song_too(config):
    training_set = training_set_of(config, channel="song", train_also=("speech",))
    assert (training_set.n_own, len(training_set.corpus)) == (N_EXTRA, N_EXTRA + 30)
    # neither s5, who does not sing, nor neutral clips, which nobody sings
    assert {one.reason.split(": ")[1] for one in training_set.left_out} == {
        "no clip that is tested is neutral",
        "toy-s5 has no clip of the channel that is tested",
    }


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (lambda table: table[table["channel"] == "speech"], "toy has no clip of channel 'song'"),
        (lambda table: table.assign(speaker=table["speaker"].where(table["channel"] == "speech")), "none of 30 ext"),
    ],
)
def test_no_clip_to_learn_from_too_is_an_error(manifest, tmp_path, keep, message):
    config = toy.config(altered(manifest, tmp_path, keep), tmp_path / "run", train_also=("song",))
    with pytest.raises(CorpusError, match=message):
        run(config)
    assert not config.out.exists()


def test_scores_are_of_own_clips_and_say_what_else_was_learnt_from(config):
    told = run(config).metrics
    assert told["test"]["n_clips"] == told["validation"]["n_clips"] == N_OWN
    sentence = "Song clips of the training speakers were also used in training, and none in validation or tests."
    assert told["protocol"]["train_also"] == ["song"]
    assert told["protocol"]["words"].endswith(sentence) and told["protocol"]["description"].endswith(sentence)
    assert sentence in " ".join((config.out / "classification_report.txt").read_text().split())
    # 45 spoken clips, and the songs of the training speakers: 30 where s5 is tested, 24 elsewhere
    learnt = {fold["test_speakers"][0]: fold["n_train_clips"] for fold in told["folds"]}
    assert learnt == {f"toy-s{number}": 45 + (30 if number == 5 else 24) for number in range(6)}
    table = pd.read_parquet(config.out / "predictions.parquet")
    assert sorted(table.loc[table["subset"] == "test", "row"]) == list(range(N_OWN))
    protocol = protocols.Protocol.from_dict(json.loads((config.out / "folds.json").read_text()))
    assert sorted(row for fold in protocol.folds for row in fold.test) == list(range(N_OWN))
    card = json.loads((config.out / "model" / "card.json").read_text())
    assert card["parameters"]["train_also"] == ["song"]
    assert card["protocol"]["words"].endswith(sentence)
    assert card["training"]["n_clips"] == card["training"]["corpora"][0]["clips"] == N_OWN + N_EXTRA
    assert Config.from_toml((config.out / "config.toml").read_text()) == config


def test_without_it_nothing_is_said_of_it(config):
    told = run(replace(config, train_also=())).metrics
    assert "train_also" not in told["protocol"]
    assert "also used in training" not in told["protocol"]["words"]
    assert {fold["n_train_clips"] for fold in told["folds"]} == {45}
    assert "train_also" not in json.loads((config.out / "model" / "card.json").read_text())["parameters"]


def test_a_random_protocol_never_tests_an_extra_clip(config):
    told = run(replace(config, protocol="random-70-15-15")).metrics
    assert told["protocol"]["train_also"] == ["song"]
    table = pd.read_parquet(config.out / "predictions.parquet")
    assert table["row"].max() < N_OWN
    (fold,) = told["folds"]
    assert fold["n_train_clips"] == N_OWN - len(table) + N_EXTRA


class Listener(Pipeline):
    """Logistic regression that notes whose voices it learnt from and whose it is asked about."""

    voice_of: dict = {}
    asked: list = []

    def fit(self, X, y):
        self.heard = {self.voice_of[row.tobytes()] for row in X}
        return super().fit(X, y)

    def predict_proba(self, X):
        Listener.asked.append((self.heard, {self.voice_of[row.tobytes()][0] for row in X}))
        return super().predict_proba(X)


def listener(*, seed, n_jobs=1, class_weight=False):
    return Listener(pipelines.logistic_regression(seed=seed, n_jobs=n_jobs, class_weight=class_weight).steps)


@pytest.fixture
def heard_and_asked(config, monkeypatch):
    """A function that runs every fold and gives, for each question to a model, its voices and those asked about."""
    spec = registry.ModelSpec(name="listener", build=listener, description="", grid={"classifier__C": (0.01, 0.1)})
    monkeypatch.setitem(registry.MODELS, "listener", spec)
    settings = replace(config, model="listener", augment=("gain",), balance="augment", tune=True)

    def questions():
        store, (own, extra) = FeatureStore(config.cache), load(settings)
        training_set = gather(own, toy.Bands(), settings, store=store, extra=extra)
        plans = folds.plan(protocols.build("speaker-6fold", training_set.own), training_set, settings)
        sets = [rows for plan in plans for rows in plan.training_sets()]
        training_set = gather_balance(training_set, toy.Bands(), settings, training_sets=sets, store=store)
        voices = list(zip(training_set.speakers, training_set.corpus.table["channel"], strict=True))
        pairs = zip(training_set.values, training_set.origin, strict=True)
        Listener.voice_of = {row.tobytes(): voices[origin] for row, origin in pairs}
        assert len(Listener.voice_of) == len(training_set.values)  # so that a row tells whose it is
        Listener.asked = []
        for plan in plans[:3]:
            folds.run_fold(plan, training_set, settings)
        return Listener.asked

    return questions


def leaks(questions):
    """Questions about a voice that the model has heard."""
    return [voices for heard, voices in questions if voices & {speaker for speaker, _ in heard}]


def test_no_model_hears_a_held_out_voice_sing(heard_and_asked):
    questions = heard_and_asked()
    # three folds: two settings on four inner folds, validation, test, and the test's one group of features shuffled
    # beside the test as it is
    assert len(questions) == 3 * (2 * 4 + 2 + 2)
    assert leaks(questions) == []
    assert all("song" in {channel for _, channel in heard} for heard, _ in questions)


def every_extra_clip(self, rows):
    """`TrainingSet.usable_rows` without its condition."""
    return np.concatenate([rows, np.arange(self.n_own, len(self.corpus))])


def test_the_test_above_fails_where_the_speaker_condition_is_dropped(heard_and_asked, monkeypatch):
    monkeypatch.setattr(TrainingSet, "usable_rows", every_extra_clip)
    assert leaks(heard_and_asked())


@pytest.mark.parametrize("tune", [False, True])
def test_a_run_whose_speaker_condition_is_dropped_is_refused(config, monkeypatch, tune):
    monkeypatch.setattr(TrainingSet, "usable_rows", every_extra_clip)
    with pytest.raises(LeakError, match=r"extra clips of toy-s\d are used for training, and toy-s\d is held out"):
        run(replace(config, tune=tune))
    assert not config.out.exists()


def test_held_out_validation_clips_are_checked_as_well(config):
    training_set = training_set_of(config)
    speakers = np.asarray(training_set.speakers[:N_OWN])
    train, held_out = np.flatnonzero(speakers != "toy-s2"), np.flatnonzero(speakers == "toy-s2")
    check_extra(training_set, train, held_out=held_out)
    with pytest.raises(LeakError, match="toy-s2"):
        check_extra(training_set, np.append(train, held_out[0]), held_out=held_out[1:])


@pytest.mark.corpus
def test_songs_of_ravdess_are_learnt_from_in_the_folds_of_their_singers(data, tmp_path):
    """On the real table, without sound: 1,440 spoken clips of 24 actors and 1,009 songs of 23 of them."""

    def compute(corpus, extractor, *, preprocessing, pool, progress):
        return Features(np.zeros((len(corpus), 1), np.float32), plain("zero"), tuple(map(str, range(len(corpus)))))

    config = Config(("ravdess",), data, tmp_path / "run", train_also=("song",))
    own, extra = load(config)
    training_set = gather(own, None, config, store=SimpleNamespace(compute=compute), extra=extra)
    assert (training_set.n_own, len(training_set.corpus), training_set.left_out) == (1440, 1440 + 1009, ())
    speakers = np.asarray(training_set.speakers)
    learnt = []
    for fold in protocols.build("speaker-6fold", training_set.own).folds:
        rows = training_set.usable_rows(fold.train)
        assert not set(speakers[rows]) & set(speakers[fold.test])
        assert rows.max() >= training_set.n_own and np.unique(rows).size == rows.size
        learnt.append(rows[rows >= training_set.n_own].size)
    # each song is left out of the one fold that tests its singer
    assert sum(learnt) == 5 * 1009


def test_a_run_from_before_these_settings_is_the_same_experiment(config):
    settings = replace(config, model="svm", extractor="auto", train_also=()).to_dict()
    before = {name: value for name, value in settings.items() if name != "train_also"} | {"extractor": "functionals"}
    assert differing(before, settings) == differing(settings, before) == []
    assert differing(before, settings | {"train_also": ["song"]}) == ["train_also"]
    assert differing(before, settings | {"extractor": "egemaps"}) == ["extractor"]
    deep = settings | {"model": "cnn-bilstm"}
    assert differing(deep, deep | {"extractor": "mfcc-frames"}) == []
    assert differing(deep, deep | {"extractor": "log-mel"}) == ["extractor"]
    comparison = {name: value for name, value in before.items() if name != "model"}
    assert differing(comparison, settings, ignored=frozenset({"model", "out"})) == []


CLASSES = ("neutral", "happy", "angry")


def training_set_from(rows, *, n_own, origin=None) -> TrainingSet:
    """Clips of (corpus, speaker, channel, emotion), and rows of values made from them."""
    table = pd.DataFrame(rows, columns=["corpus", "speaker", "channel", "emotion"])
    full = {name: "" for name in corpora.COLUMNS} | {"start_s": 0.0, "end_s": np.nan}
    corpus = Corpus(
        table.assign(**{name: full[name] for name in corpora.COLUMNS if name not in table})[list(corpora.COLUMNS)],
        "made",
    )
    origin = np.arange(len(rows)) if origin is None else np.asarray(origin)
    zeros = np.zeros(origin.size)
    return TrainingSet(corpus, n_own, ("x",), ("",) * len(rows), zeros[:, None], origin, zeros.astype(int), 0, ())


def test_extras_tell_speakers_what_is_possible_and_what_is_own():
    clips = [
        ("one", "a", "speech", "neutral"),
        ("one", "a", "speech", "happy"),
        ("one", "b", "speech", "angry"),
        ("two", "c", "speech", "happy"),
        ("two", "c", "speech", "angry"),
        ("two", "", "speech", "happy"),
        ("one", "", "speech", "happy"),
        ("one", "a", "song", "happy"),
    ]
    training_set = training_set_from(clips, n_own=7, origin=[*range(8), 4, 7])
    assert training_set.emotions == CLASSES
    told = training_set.speaker_inputs(np.arange(10))
    speakers = told["speakers"]
    voices = [[0, 1], [2], [3, 4, 8], [5], [6], [7, 9]]  # copies are of the voice that they were made from
    assert sorted(set(speakers.tolist())) == list(range(len(voices)))
    assert [sorted(np.flatnonzero(speakers == speakers[rows[0]])) for rows in voices] == voices
    one, two, song = [True, True, True], [False, True, True], [False, True, False]
    assert told["possible"].tolist() == [one, one, one, two, two, two, one, song, two, song]
    assert told["own"].tolist() == [True] * 7 + [False, True, False]


def test_extras_go_by_the_training_rows_alone():
    training_set = training_set_from([("one", "a", "speech", emotion) for emotion in CLASSES], n_own=3)
    told = training_set.speaker_inputs(np.asarray([2, 0]))
    assert told["possible"].tolist() == [[True, False, True]] * 2
    assert {name: values.dtype.kind for name, values in told.items()} == {"speakers": "i", "possible": "b", "own": "b"}
