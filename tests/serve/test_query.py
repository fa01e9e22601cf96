"""Parameters of a query that a route does not have."""

import pytest

from support.serving import WAV, problem, send

pytestmark = pytest.mark.usefixtures("detector")


def test_an_unknown_parameter_is_an_error_that_names_the_known_ones(client):
    detail = problem(send(client, WAV, params={"tp": 3}), "bad_request")
    assert "'tp'; expected timeline, top, channel, track, adapt; did you mean top?" in detail
    assert "expected none" in problem(client.get("/v1/model?x=1"), "bad_request")
    assert "several times" in problem(client.post("/v1/predict?top=1&top=2"), "bad_request")
    assert send(client, WAV, params={"top": 3, "adapt": "none"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/predict"),
        ("POST", "/v1/timeline"),
        ("POST", "/v1/jobs"),
        ("GET", "/v1/jobs/a"),
        ("DELETE", "/v1/jobs/a"),
        ("GET", "/v1/jobs/a/result"),
        ("GET", "/v1/jobs/a/events"),
        ("GET", "/v1/model"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
    ],
)
def test_every_route_refuses_it_and_says_so_in_the_schema(client, method, path):
    assert "'colour'" in problem(client.request(method, path, params={"colour": "red"}), "bad_request")
    operation = client.get("/openapi.json").json()["paths"][path.replace("/a", "/{id}")][method.lower()]
    assert "`bad_request`" in operation["responses"]["400"]["description"]


def test_head_takes_what_get_takes(client):
    assert client.head("/healthz").status_code == 200 and client.head("/healthz?x=1").status_code == 400
