"""Names by which the service may be called."""

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from emotone.serve import ServeSettings, create_app
from emotone.serve.hosts import HostRule, name_of
from support.serving import WAV, problem, send

LOCAL = ("localhost", "localhost:8000", "LOCALHOST:1", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "[::1]", None)
FOREIGN = ("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil")
MALFORMED = ("", "[::1", "::1]", "[::1]x", "[evil]", "a:b", "a:", ":80", "[fe80::1%eth0]:x")


def allowed(hosts, *, listens_on, **settings):
    rule = HostRule(ServeSettings(**settings), listens_on=listens_on)
    return [host for host in hosts if rule.allows(host)]


@pytest.mark.parametrize("listens_on", ["127.0.0.1", "::1", "localhost"])
@pytest.mark.parametrize("key", [None, "open sesame"])
def test_a_local_service_has_local_names(listens_on, key):
    assert allowed(LOCAL, listens_on=listens_on, key=key) == list(LOCAL)
    assert allowed((*FOREIGN, *MALFORMED, "10.0.0.1"), listens_on=listens_on, key=key) == []
    given = ("Emotone.example.org",)
    hosts = ("emotone.example.org:443", "EMOTONE.example.org", "evil.example", "localhost")
    assert allowed(hosts, listens_on=listens_on, key=key, allowed_hosts=given) == [hosts[0], hosts[1], hosts[3]]
    assert allowed(FOREIGN, listens_on=listens_on, allowed_hosts=("*",)) == list(FOREIGN)


def test_a_service_that_others_reach(monkeypatch):
    monkeypatch.setattr("emotone.serve.hosts.socket.gethostname", lambda: "Studio")
    hosts = ("10.0.0.1:8000", "[2001:db8::1]", "studio:8000")
    assert allowed((*LOCAL, *hosts), listens_on="0.0.0.0") == [*LOCAL, *hosts]
    assert allowed((*FOREIGN, *MALFORMED), listens_on="0.0.0.0") == []
    assert allowed(FOREIGN, listens_on="0.0.0.0", key="k") == list(FOREIGN)  # a page of another site lacks the key
    assert allowed(MALFORMED, listens_on="0.0.0.0", key="k") == []
    named = {"listens_on": "::", "key": "k", "allowed_hosts": ("a.example",)}
    assert allowed(("a.example", "studio", "10.0.0.1", "localhost"), **named) == ["a.example", "10.0.0.1", "localhost"]
    assert allowed(FOREIGN, **named) == []


def test_names():
    assert name_of("Example.ORG.:80") == "example.org" and name_of("[2001:DB8::0:1]:80") == "2001:db8::1"
    assert all(name_of(host) is None for host in MALFORMED)


@pytest.mark.usefixtures("detector")
def test_other_names_are_refused_on_every_path(recognizer):
    app = create_app(recognizer, settings=ServeSettings(key="k"), listens_on="127.0.0.1")
    evil = TestClient(app, base_url="http://evil.example:8000")
    for path in ("/", "/v1/model", "/metrics", "/openapi.json", "/healthz", "/nope"):
        detail = problem(evil.get(path, headers={"Authorization": "Bearer k"}), "unknown_host")
        assert "'evil.example:8000'" in detail and "--allowed-hosts" in detail
    problem(send(evil, WAV, headers={"Authorization": "Bearer k"}), "unknown_host")
    with pytest.raises(WebSocketDenialResponse) as error, evil.websocket_connect("/v1/stream"):
        pass
    problem(error.value, "unknown_host")
    assert TestClient(app, base_url="http://localhost:8000").get("/healthz").status_code == 200


@pytest.mark.usefixtures("detector")
def test_an_origin_that_is_none_is_refused_before_the_key(recognizer):
    for key in (None, "k"):
        client = TestClient(create_app(recognizer, settings=ServeSettings(key=key)))
        for path in ("/", "/v1/model", "/metrics", "/healthz", "/nope", "/login"):
            for method in ("GET", "POST", "OPTIONS"):
                for origin in ("http://[::1", "http://a]"):
                    problem(client.request(method, path, headers={"Origin": origin}), "forbidden_origin")
        given = {"headers": {"Origin": "http://[::1"}}
        with pytest.raises(WebSocketDenialResponse) as error, client.websocket_connect("/v1/stream", **given):
            pass
        problem(error.value, "forbidden_origin")
