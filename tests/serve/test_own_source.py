"""A service that learns its source from its own requests."""

import threading

import numpy as np
import pytest

from emotone.errors import ConfigError
from emotone.recognition.recognizer import Recognizer
from emotone.serve import ServeSettings, create_app
from emotone.serve.own_source import MOST, MOST_OF_A_RECORDING, OwnSource
from support import handmade
from support.serving import RATE, WAV, client_of, file_of, problem, send

pytestmark = pytest.mark.usefixtures("detector")


@pytest.fixture(scope="module")
def adaptive(tmp_path_factory):
    content = handmade.graph(optional=handmade.ADAPTS)
    return Recognizer(handmade.write(tmp_path_factory.mktemp("bundle") / "relative", content=content, adapts=True))


def clip(level):
    return handmade.tone(level), RATE


def recording(n_utterances):
    utterance = np.concatenate([handmade.tone(0.2), np.zeros(RATE, np.float32)])
    return np.tile(utterance, n_utterances), RATE


def test_each_prediction_is_made_within_what_was_heard_before_it(adaptive):
    source, clips = OwnSource(adaptive, learns=True), [clip(level) for level in (0.15, 0.2, 0.12)]
    assert source.profile is None and source.predict(clips[0]) == adaptive.predict(clips[0])
    for n in (1, 2):
        known = adaptive.adapt_source(clips[:n])
        prediction = source.predict(clips[n])
        assert prediction == adaptive.predict(clips[n], profile=known) and prediction.adapted == {
            "source": n,
            "speaker": 0,
        }
    assert source.profile == adaptive.adapt_source(clips) and source.n_utterances == 3


def test_a_long_recording_is_not_the_whole_source_and_learning_ends(adaptive):
    source = OwnSource(adaptive, learns=True)
    source.predict(recording(MOST_OF_A_RECORDING + 5))
    assert source.n_utterances == MOST_OF_A_RECORDING
    for _ in range(MOST - MOST_OF_A_RECORDING - 3):
        source.predict(clip(0.2))
    source.predict(recording(8))
    full = source.profile
    assert full.n_clips == MOST and source.predict(clip(0.02)).adapted == {"source": MOST, "speaker": 0}
    assert source.profile == full


def test_what_threads_learn_at_the_same_time_is_not_lost(adaptive, monkeypatch):
    source, predict = OwnSource(adaptive, learns=True), adaptive.predict_with_embeddings
    both = threading.Barrier(2, timeout=10)

    def together(*given, **named):
        result = predict(*given, **named)
        both.wait()  # neither has learnt when both have predicted
        return result

    monkeypatch.setattr(adaptive, "predict_with_embeddings", together)
    threads = [threading.Thread(target=source.predict, args=(clip(level),)) for level in (0.1, 0.2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.n_utterances == 2 and source.profile.mean == pytest.approx([0.15], abs=1e-6)


def test_requests_extend_the_source_unless_they_say_not_to(adaptive):
    client, loud = client_of(adaptive, learn_source=True), file_of(handmade.tone(0.15))
    plain, second = send(client, loud).json(), send(client, loud).json()
    assert plain["adapted"] == {"source": 0, "speaker": 0} and second["adapted"] == {"source": 1, "speaker": 0}
    assert second["scores"]["angry"] < plain["scores"]["angry"] - 0.1
    assert send(client, loud, params={"adapt": "none"}).json() == plain
    sound = np.concatenate([np.zeros(RATE), handmade.tone(0.15), np.zeros(RATE)])
    timeline = send(client, file_of(sound), params={"timeline": "true"}).json()
    assert timeline["adapted"] == timeline["segments"][0]["adapted"] == {"source": 2, "speaker": 0}
    problem(send(client, b"no sound"), "not_audio")
    described = client.get("/v1/model").json()
    assert (described["learns_source"], described["source_clips"]) == (True, 2)
    assert "query.adapt" in problem(send(client, loud, params={"adapt": "all"}), "bad_request")


def test_by_default_nothing_is_learnt(adaptive, recognizer):
    client = client_of(adaptive)
    assert [send(client, WAV).json()["adapted"]["source"] for _ in range(2)] == [0, 0]
    described = client.get("/v1/model").json()
    assert (described["learns_source"], described["source_clips"]) == (False, 0)
    with pytest.raises(ConfigError, match="can't adapt"):
        create_app(recognizer, settings=ServeSettings(learn_source=True))


def test_the_schema_has_what_answers_were_adapted_to(adaptive):
    models = client_of(adaptive).get("/openapi.json").json()["components"]["schemas"]
    assert set(models["AdaptedModel"]["properties"]) == {"source", "speaker"}
    for name in ("PredictionModel", "FilePredictionModel", "TimelineModel"):
        assert models[name]["properties"]["adapted"] == {"$ref": "#/components/schemas/AdaptedModel"}
