"""Errors as problem details: codes, statuses, texts, and no internals."""

import ast
import json
from pathlib import Path

import pytest

from emotone.errors import BundleError, FeatureError
from emotone.recognition.graph_process import Limits
from emotone.recognition.recognizer import Recognizer
from emotone.serve import problems
from emotone.serve.problems import KINDS
from support import handmade, hostile_graphs
from support.serving import WAV, client_of, file_of, problem, send

pytestmark = pytest.mark.usefixtures("detector")


def test_paths_and_methods_that_are_none(client):
    problem(client.get("/nowhere"), "not_found")
    detail = problem(client.get("/v1/predict"), "method_not_allowed")
    assert "GET" in detail and client.get("/v1/predict").headers["allow"] == "POST"
    problem(client.get("/redoc"), "not_found")  # it would load scripts from another host


def test_failures_tell_nothing_of_themselves(recognizer, monkeypatch):
    client = client_of(recognizer)

    def failing(error):
        def predict(*_, **__):
            raise error

        monkeypatch.setattr(recognizer, "predict", predict)

    failing(RuntimeError("/work/secret"))
    assert "secret" not in problem(send(client, WAV), "internal")
    failing(FeatureError("no finite number"))
    assert problem(send(client, WAV), "unanswerable") == "no finite number"
    monkeypatch.undo()
    assert client.app.state.queue.waiting == 0 and client.app.state.queue._admitted == 0


def test_every_problem_is_in_the_schema(client):
    schema = client.get("/openapi.json").json()
    told = schema["paths"]["/v1/predict"]["post"]["responses"]
    codes = {
        (int(status), code)
        for status, one in told.items()
        if status != "200"
        for code in one["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"]
    }
    assert codes == {(KINDS[code].status, code) for _, code in codes} and len(codes) == 15
    assert "HTTPValidationError" not in json.dumps(schema)
    assert schema["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]


def test_invalid_values_are_reported_in_the_service_s_own_words(client):
    detail = problem(client.post("/v1/predict", files={"file": WAV}, params={"top": "x" * 100}), "bad_request")
    assert detail.startswith(f"query.top is '{'x' * 40}'; expected a valid integer")
    assert "Input should" not in detail and "Value error" not in detail
    item = {"loc": ("query", "top"), "input": 0, "msg": "Value error, use 1 or more"}
    assert problems._invalid_value(item) == "query.top is '0'; use 1 or more"


def test_a_model_that_fails_is_a_problem_of_its_own(recognizer, monkeypatch, caplog):
    client = client_of(recognizer)

    def predict(*_, **__):
        raise BundleError("/work/secret/model.onnx: the graph failed")

    monkeypatch.setattr(recognizer, "predict", predict)
    assert "secret" not in problem(send(client, WAV), "bad_model")
    (record,) = [record for record in caplog.records if record.name == "emotone.serve.problems"]
    assert record.getMessage() == "the model failed: /work/secret/model.onnx: the graph failed"
    assert record.exc_info is None


def test_errors_of_the_bundle_are_told_apart_in_one_place(caplog):
    """Elsewhere, they pass; each way to the service asks `problem_of`."""
    folder = Path(problems.__file__).parent
    telling = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and any(
                "bad_model" in ast.unparse(each) for each in [node.func, *node.args[:1]]
            ):
                telling.append(path.name)
    assert telling == ["problems.py"]
    told = problems.problem_of(BundleError("/srv/model.onnx: the graph failed"), failed="a job")
    assert told.code == "bad_model" and "/srv" not in told.detail and len(caplog.records) == 1
    assert problems.problem_of(told, failed="a job") is told and len(caplog.records) == 1
    assert problems.problem_of(KeyError("/srv"), failed="a job").code == "internal"
    assert caplog.records[-1].getMessage() == "a job failed" and caplog.records[-1].exc_info
    assert problems.problem_of(KeyError("/srv")).code == "internal" and len(caplog.records) == 2


@pytest.mark.slow
def test_the_end_of_the_service_ends_a_graph_that_does_not_end(tmp_path):
    """Without it, the thread of the request would hold up the service for an hour."""
    content = hostile_graphs.endless_when_loud().SerializeToString()
    own = Recognizer(handmade.write(tmp_path / "b", content=content), limits=Limits(run_s=3600))
    with client_of(own, max_seconds=1) as client:
        assert send(client, WAV).status_code == 200
        problem(send(client, file_of(handmade.tone(0.4))), "timeout")
    assert client.app.state.queue.closing
