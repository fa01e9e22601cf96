"""API key, origins and sessions."""

import time

import pytest
from starlette.datastructures import Headers

from emotone.serve import ServeSettings, security
from emotone.serve.problems import ProblemError
from emotone.serve.security import check_key
from support.serving import WAV, client_of, problem, send

pytestmark = pytest.mark.usefixtures("detector")
KEY = "open sesame"


def test_the_key_is_asked_for(recognizer):
    client = client_of(recognizer, key="open sesame")
    for headers in (
        {},
        {"Authorization": "Bearer no"},
        {"Authorization": "Basic open sesame"},
        {"Authorization": b"Bearer \xe9"},
    ):
        response = send(client, WAV, headers=headers)
        assert "key is" in problem(response, "unauthorized") and response.headers["www-authenticate"] == "Bearer"
        problem(client.get("/v1/model", headers=headers), "unauthorized")
    schema = client.get("/openapi.json").json()
    assert schema["paths"]["/v1/model"]["get"]["security"] == [{"HTTPBearer": []}]
    assert schema["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    problem(client.post("/v1/predict", params={"top": 0}), "unauthorized")  # before anything else is looked at
    assert send(client, WAV, headers={"Authorization": "bearer open sesame"}).status_code == 200
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert client.get(path).status_code == 200


def test_other_origins_are_closed_out_unless_named(recognizer):
    asked = {"Origin": "https://a.org", "Access-Control-Request-Method": "POST"}
    client = client_of(recognizer)
    assert client.options("/v1/predict", headers=asked).status_code == 405
    refused = send(client, WAV, headers={"Origin": "https://a.org"})
    problem(refused, "forbidden_origin")
    assert "access-control-allow-origin" not in refused.headers
    assert send(client, WAV, headers={"Origin": "http://testserver"}).status_code == 200
    for origin in ("http://[::1", "null", "", "http://", "//testserver:x", "http://[testserver]"):
        problem(send(client, WAV, headers={"Origin": origin}), "forbidden_origin")
    client = client_of(recognizer, origins=("https://a.org",))
    assert client.options("/v1/predict", headers=asked).headers["access-control-allow-origin"] == "https://a.org"
    assert send(client, WAV, headers={"Origin": "https://a.org"}).status_code == 200
    assert client.options("/v1/predict", headers=asked | {"Origin": "https://b.org"}).status_code == 400
    assert "access-control-allow-origin" not in client.get("/v1/model", headers={"Origin": "https://b.org"}).headers


def test_a_login_ends_and_is_of_one_key():
    def let_in(value, key=KEY):
        return security.has_valid_session(Headers({"cookie": f"a=b; {security.COOKIE}={value}"}), key)

    soon = int(time.time()) + 60
    good = security.token(KEY, until_s=soon)
    assert let_in(good) and not let_in(good, "another key")
    assert not let_in(security.token(KEY, until_s=int(time.time()) - 1))
    stated, _, mac = good.partition(".")
    for altered in (f"{soon + 1}.{mac}", f"{stated}.{mac[:-1]}", stated, mac, "", "é.é", f"{'9' * 400}.{mac}", "."):
        assert not let_in(altered), altered
    assert not security.has_valid_session(Headers({}), KEY)
    check_key(ServeSettings(key=KEY), Headers({"cookie": f"{security.COOKIE}={good}"}))
    with pytest.raises(ProblemError, match="wrong"):
        check_key(ServeSettings(key=KEY), Headers({"authorization": "Bearer no"}))
