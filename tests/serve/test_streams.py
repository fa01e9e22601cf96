"""Places of streams: none more than there are, also for clients that come at once, and each is given back."""

import asyncio

import httpx
import pytest
from starlette.testclient import TestClient

from emotone.serve import ServeSettings, create_app
from emotone.serve.counters import Metrics
from emotone.serve.own_source import OwnSource
from emotone.serve.page.answer_routes import answer_routes
from emotone.serve.page.handlers import PageHandlers
from emotone.serve.problems import ProblemError
from emotone.serve.work_queue import WorkQueue
from support.serving import WAV, until

pytestmark = pytest.mark.usefixtures("detector")
TIMELINE = "/page/answers/timeline?speakers=one"


@pytest.fixture
def client(recognizer):
    """A service with room for two streams, with the routes of the page."""
    app = create_app(recognizer, settings=ServeSettings(max_streams=2))
    source = OwnSource(recognizer, learns=False)
    app.include_router(answer_routes(PageHandlers(recognizer, app.state.settings, source), app.state.jobs))
    with TestClient(app) as client:
        yield client


def requests(client):
    """Return a request for the events of a job, and one for a timeline of the page."""
    events = client.post("/v1/jobs", files={"file": ("a.wav", WAV)}).headers["location"] + "/events"
    return (
        client.build_request("GET", events),
        client.build_request("POST", TIMELINE, files={"file": ("a.wav", WAV)}),
    )


async def status_of(app, request: httpx.Request, *, begin):
    """Send a request to the application itself, and return the status; ``begin`` is awaited before the head is sent."""
    messages = [{"type": "http.request", "body": request.read()}]
    statuses = []

    async def receive():
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
            await begin()

    url = request.url
    scope = {"type": "http", "http_version": "1.1", "method": request.method, "scheme": "http", "path": url.path}
    scope |= {"query_string": url.query, "headers": [(name.lower(), value) for name, value in request.headers.raw]}
    scope |= {"client": ("127.0.0.1", 1), "server": ("testserver", 80), "root_path": ""}
    await app(scope, receive, send)
    return statuses[0]


@pytest.mark.parametrize("which", [0, 1], ids=["events of a job", "progress of the page"])
@pytest.mark.slow
def test_of_clients_that_come_at_once_only_as_many_as_there_are_places_get_one(client, which):
    request = requests(client)[which]

    async def at_once():
        async def slow_client():
            await asyncio.sleep(0.3)

        return await asyncio.gather(*(status_of(client.app, request, begin=slow_client) for _ in range(6)))

    assert sorted(client.portal.call(at_once)) == [200, 200, 503, 503, 503, 503]
    assert client.app.state.queue.streams == 0


@pytest.mark.parametrize("which", [0, 1], ids=["events of a job", "progress of the page"])
def test_a_client_that_is_gone_before_the_first_part_leaves_nothing(client, which):
    request = requests(client)[which]
    kept = client.app.state.jobs.n_kept

    async def gone():
        raise OSError("the connection is closed")

    async def leave():
        try:
            await status_of(client.app, request, begin=gone)
        except* Exception:
            pass

    client.portal.call(leave)
    until(lambda: client.app.state.queue.streams == 0)
    until(lambda: client.app.state.jobs.n_kept == kept)
    assert client.portal.call(sent_whole(client, request)) == 200


def sent_whole(client, request):
    async def at_once():
        return await status_of(client.app, request, begin=lambda: asyncio.sleep(0))

    return at_once


def test_a_place_counts_once_and_is_given_back_once():
    queue = WorkQueue(ServeSettings(max_streams=3), Metrics(()))
    first = queue.open_stream(2)
    with pytest.raises(ProblemError, match="2 streams are open already"):
        queue.open_stream(2)
    with queue.open_stream():
        assert queue.streams == 3
        with pytest.raises(ProblemError):
            queue.check_streams()
    first.release()
    first.release()
    assert queue.streams == 0
    asyncio.run(queue.close())
