"""An S3 of this machine, by moto, which can answer 503 for a while."""

import threading
import urllib.request
from contextlib import contextmanager

import fsspec
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


class _Moody:
    """The server's application, which refuses some requests first."""

    def __init__(self):
        self.application = DomainDispatcherApplication(create_backend_app)
        self.n_refused = 0
        self._lock, self._to_refuse = threading.Lock(), 0

    def refuse(self, n_requests):
        """Answer the next requests for recordings with 503."""
        with self._lock:
            self._to_refuse = n_requests

    def __call__(self, environ, start_response):
        with self._lock:
            refuses = (
                self._to_refuse > 0 and environ["REQUEST_METHOD"] in ("GET", "HEAD") and "wav" in environ["PATH_INFO"]
            )
            self._to_refuse -= refuses
            self.n_refused += refuses
        if refuses:
            content = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
            start_response(
                "503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", str(len(content)))]
            )
            return [content]
        return self.application(environ, start_response)


@contextmanager
def s3(monkeypatch):
    """Run the server; this process and its children then use it for s3://."""
    application = _Moody()
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}"),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    # moto keeps its buckets for as long as the process lives
    urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/moto-api/reset", data=b"").close()
    system = fsspec.filesystem("s3", skip_instance_cache=True)
    fsspec.filesystem("s3").clear_instance_cache()
    try:
        yield application, system
    finally:
        fsspec.filesystem("s3").clear_instance_cache()
        server.shutdown()
        thread.join(10)
