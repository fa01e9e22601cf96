"""A stand-in of the Hugging Face hub on this machine: what the library huggingface_hub asks of it, and no more.

Small files are stored by the commit itself, large ones by the protocol of Git LFS, as the hub does it.
"""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

#: The token that may do everything, and one that may only read.
TOKEN, READER = "hf_writerwriterwriter", "hf_readerreaderreader"
USER = "anna"
_LFS = (".onnx", ".npz", ".bin", ".pkl")


@dataclass
class Repository:
    """A model: its commits, each a table of files; ``refs`` are branches and tags."""

    private: bool = False
    gated: bool = False
    commits: dict = field(default_factory=dict)
    refs: dict = field(default_factory=dict)

    def commit(self, files, *, ref="main") -> str:
        """Add a commit; its name is a digest of its content."""
        number = len(self.commits)
        text = repr((number, sorted((name, hashlib.sha256(body).hexdigest()) for name, body in files.items())))
        name = hashlib.sha1(text.encode()).hexdigest()
        self.commits[name] = dict(files)
        self.refs[ref] = name
        return name

    def at(self, revision):
        name = self.refs.get(revision, revision)
        return (name, self.commits[name]) if name in self.commits else (None, None)


class Hub:
    """The content of the hub, and what was asked of it.

    Attributes
    ----------
    repositories
        Name -> `Repository`.
    requests
        Method and path of every request, in order.
    tokens
        The token of every request that had one.
    is_down
        Whether every request fails.
    sizes
        Name of a file -> the size that the hub states in place of its own.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[str] = []
        self.tokens: list[str] = []
        self.is_down = False
        self.sizes: dict[str, int] = {}
        self.lfs: dict[str, bytes] = {}
        self.url = ""

    def asked(self, part: str) -> list[str]:
        return [line for line in self.requests if part in line]

    def add(self, name: str, files, **more) -> Repository:
        made = self.repositories[name] = Repository(**more)
        made.commit({path: body if isinstance(body, bytes) else body.encode() for path, body in files.items()})
        return made


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_) -> None:
        pass

    def _answer(self, body=b"", *, status=200, **headers) -> None:
        if not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status, code, message) -> None:
        self._answer({"error": message}, status=status, **{"X-Error-Code": code, "X-Error-Message": message})

    def _handle(self) -> None:
        self.body = self._received()
        split = urlsplit(self.path)
        self.query, path = parse_qs(split.query), unquote(split.path)
        self.hub.requests.append(f"{self.command} {path}")
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if self.token:
            self.hub.tokens.append(self.token)
        if self.hub.is_down:
            return self._refuse(503, "", "down for maintenance")
        if self.token and self.token not in (TOKEN, READER):
            return self._refuse(401, "", "Invalid credentials in Authorization header")
        for method, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, path)
            if self.command in method and match:
                return answer(self, **match.groupdict())
        return self._refuse(404, "", f"the stand-in has no {self.command} {path}")

    def _received(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    do_GET = do_HEAD = do_POST = do_PUT = _handle  # noqa: N815 - names of the standard library

    def _repository(self, repository, *, files=True):
        """The repository, if this user may see it; None after an error was sent."""
        found = self.hub.repositories.get(repository)
        if found is None or (found.private and not self.token):
            return self._refuse(404 if self.token else 401, "RepoNotFound", "Repository not found")
        if found.gated and files:
            return self._refuse(403, "GatedRepo", "Access to this model is restricted")
        return found

    def _revision(self, repository, revision):
        found = self._repository(repository)
        if found is None:
            return None, None
        name, files = found.at(revision)
        if name is None:
            self._refuse(404, "RevisionNotFound", "Invalid rev id")
        return name, files

    def _writes(self) -> bool:
        if self.token != TOKEN:
            self._refuse(403 if self.token else 401, "", "You don't have the rights")
        return self.token == TOKEN

    def whoami(self) -> None:
        self._answer({"type": "user", "name": USER, "auth": {"accessToken": {"role": "write"}}})

    def create(self) -> None:
        if not self._writes():
            return None
        asked = json.loads(self.body)
        name = f"{asked.get('organization') or USER}/{asked['name']}"
        address = {"url": f"{self.hub.url}/{name}"}
        if name in self.hub.repositories:
            return self._answer({"error": "You already created this model repo", **address}, status=409)
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.hub.add(name, {".gitattributes": "*.onnx filter=lfs diff=lfs merge=lfs -text\n"}, private=private)
        return self._answer(address)

    def info(self, repository, revision="main") -> None:
        name, files = self._revision(repository, revision)
        if name is None:
            return
        siblings = [
            {"rfilename": path, "size": self.hub.sizes.get(path, len(body)), "blobId": _git_hash(body)}
            for path, body in files.items()
        ]
        if "blobs" not in self.query:
            siblings = [{"rfilename": one["rfilename"]} for one in siblings]
        found = self.hub.repositories[repository]
        self._answer(
            {"id": repository, "modelId": repository, "sha": name, "private": found.private, "gated": found.gated}
            | {"siblings": siblings, "tags": [], "downloads": 0, "likes": 0}
        )

    def tree(self, repository, revision) -> None:
        name, files = self._revision(repository, revision)
        if name is not None:
            self._answer([_entry(path, body) for path, body in files.items()])

    def resolve(self, repository, revision, path) -> None:
        name, files = self._revision(repository, revision)
        if name is None:
            return
        if path not in files:
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        body = files[path]
        tag = hashlib.sha256(body).hexdigest() if path.endswith(_LFS) else _git_hash(body)
        self._answer(body, **{"X-Repo-Commit": name, "ETag": f'"{tag}"', "Accept-Ranges": "none"})

    def validate(self) -> None:
        content = json.loads(self.body)["content"]
        if not content.startswith("---\n"):
            return self._answer({"errors": [], "warnings": [{"message": "empty or missing yaml metadata"}]})
        return self._answer({"errors": [], "warnings": []})

    def preupload(self, repository, revision) -> None:
        name, files = self._revision(repository, revision)
        if name is None or not self._writes():
            return
        asked = json.loads(self.body)["files"]
        self._answer({"files": [_mode(one["path"], files) for one in asked]})

    def batch(self, repository) -> None:
        if self._repository(repository) is None or not self._writes():
            return
        asked = json.loads(self.body)["objects"]
        self._answer({"transfer": "basic", "objects": [self._object(one) for one in asked]})

    def _object(self, one):
        if one["oid"] in self.hub.lfs:
            return one
        return {**one, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}", "header": {}}}}

    def upload(self, oid) -> None:
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.hub.lfs[oid] = self.body
        self._answer()

    def commit(self, repository, revision) -> None:
        found = self._repository(repository)
        if found is None or not self._writes():
            return
        files = dict(found.at(revision)[1])
        for line in self.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.lfs[value["oid"]]
            elif item["key"] == "deletedFile":
                del files[value["path"]]
        name = found.commit(files, ref=revision)
        self._answer({"commitUrl": f"{self.hub.url}/{repository}/commit/{name}", "commitOid": name, "success": True})


def _git_hash(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


def _entry(path, body):
    entry = {"type": "file", "path": path, "size": len(body), "oid": _git_hash(body)}
    if path.endswith(_LFS):
        entry["lfs"] = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 130}
    return entry


def _mode(path, files):
    is_large = path.endswith(_LFS)
    body = files.get(path)
    known = None if body is None else hashlib.sha256(body).hexdigest() if is_large else _git_hash(body)
    return {"path": path, "uploadMode": "lfs" if is_large else "regular", "shouldIgnore": False, "oid": known}


_NAME, _REVISION = r"(?P<repository>[^/]+/[^/]+)", r"(?P<revision>[^/]+)"
_ROUTES = [
    (("GET",), "/api/whoami-v2", _Handler.whoami),
    (("POST",), "/api/repos/create", _Handler.create),
    (("POST",), "/api/validate-yaml", _Handler.validate),
    (("GET",), f"/api/models/{_NAME}", _Handler.info),
    (("GET",), f"/api/models/{_NAME}/revision/{_REVISION}", _Handler.info),
    (("GET",), f"/api/models/{_NAME}/tree/{_REVISION}", _Handler.tree),
    (("POST",), f"/api/models/{_NAME}/preupload/{_REVISION}", _Handler.preupload),
    (("POST",), f"/api/models/{_NAME}/commit/{_REVISION}", _Handler.commit),
    (("POST",), f"/{_NAME}.git/info/lfs/objects/batch", _Handler.batch),
    (("PUT",), "/lfs/(?P<oid>[0-9a-f]{64})", _Handler.upload),
    (("GET", "HEAD"), f"/{_NAME}/resolve/{_REVISION}/(?P<path>.+)", _Handler.resolve),
]


@contextmanager
def running():
    """Yield a hub that listens on this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def environment(hub: Hub, folder, *, token=TOKEN) -> dict[str, str]:
    """The variables of a user of this hub whose cache and settings are in a folder."""
    made = {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    return made | ({"HF_TOKEN": token} if token else {})


def use(monkeypatch, hub: Hub, folder, *, token=TOKEN) -> None:
    """Let huggingface_hub of this process, which reads its variables once, use this hub."""
    from huggingface_hub import constants

    for name, value in environment(hub, folder, token=token).items():
        monkeypatch.setenv(name, value)
    if not token:
        monkeypatch.delenv("HF_TOKEN", raising=False)
    for name, value in {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(folder / "hub"),
        "HF_TOKEN_PATH": str(folder / "token"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_PROGRESS_BARS": True,
    }.items():
        monkeypatch.setattr(constants, name, value, raising=False)
