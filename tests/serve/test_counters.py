"""The counters in the format of Prometheus."""

import pytest

from support.serving import WAV, client_of, send

pytestmark = pytest.mark.usefixtures("detector")


def test_metrics(recognizer):
    client = client_of(recognizer)
    send(client, WAV)
    send(client, b"no sound")
    for path in ("/nowhere", '/"x'):
        client.get(path)
    response = client.get("/metrics")
    lines = response.text.splitlines()
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'emotone_requests_total{path="/v1/predict",status="200"} 1' in lines
    assert 'emotone_requests_total{path="/v1/predict",status="422"} 1' in lines
    assert 'emotone_requests_total{path="other",status="404"} 2' in lines
    assert 'emotone_inference_seconds_bucket{le="+Inf"} 2' in lines and "emotone_inference_seconds_count 2" in lines
    assert "emotone_queue_length 0" in lines and "emotone_streams_open 0" in lines
    counts = [int(line.split()[-1]) for line in lines if "_bucket" in line]
    assert counts == sorted(counts) and all(line[0] == "#" or len(line.split()) == 2 for line in lines)
