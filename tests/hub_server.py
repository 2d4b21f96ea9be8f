"""A small server that speaks the Hugging Face Hub's protocol on 127.0.0.1, with faults on demand.

    python -m tests.hub_server --port 8123

Then, in another terminal, with ``HF_ENDPOINT=http://127.0.0.1:8123 HF_TOKEN=owner HF_HUB_DISABLE_XET=1`` set, the
commands of ``python -m weights``. Tokens are ``owner``, who may do everything, and ``reader``, who may read private
repositories but not write. Everything is kept in memory.

Large files (safetensors, pictures, more than 10 MB) are served as the Hub does it: the first address redirects to
another host, here ``localhost``, which knows nothing of tokens and understands ranges.
"""

import argparse
import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

OWNER, READER = "owner", "reader"
LARGE_SUFFIXES = (".safetensors", ".jpg", ".png", ".bin", ".pth")
LARGE_BYTES = 10_000_000


@dataclass
class Repository:
    """The versions of a repository's files."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    @property
    def head(self) -> str:
        return next(reversed(self.commits))

    def commit(self, files: dict[str, bytes]) -> str:
        """Adds a version with these files changed."""
        content = {**(self.commits[self.head] if self.commits else {}), **files}
        hashes = sorted((path, hashlib.sha1(data).hexdigest()) for path, data in content.items())
        commit = hashlib.sha1(repr((len(self.commits), hashes)).encode()).hexdigest()
        self.commits[commit] = content
        return commit


@dataclass
class Fault:
    """Something that goes wrong, as often as ``times`` says."""

    path: str
    """Pattern to be found in the request's path, a space, and its range if it has one."""
    status: int = 0
    """Answer with this status; 0 to answer as usual."""
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    """Close the connection after so many bytes of content."""
    content: bytes | None = None
    """Send this instead of the content."""
    ignore_range: bool = False
    """Send everything, whatever was asked for."""
    silent_seconds: float = 0
    """Say nothing for so long."""
    pause_seconds: float = 0
    """Wait after every 4096 bytes of content."""
    method: str = ""
    times: int = 1


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    range: str | None
    authorization: str | None


class FakeHub(ThreadingHTTPServer):
    """The server; ``repositories``, ``faults`` and ``requests`` are there to be looked at and changed."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.guard = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, name: str, files: dict[str, bytes], **kinds: bool) -> str:
        """Commits files to a repository, a new one if there is none; returns the commit."""
        return self.repositories.setdefault(name, Repository(**kinds)).commit(files)

    def downloads(self) -> list[Request]:
        """Requests for the content of large files."""
        return [request for request in self.requests if request.method == "GET" and request.path.startswith("/cdn/")]

    def take_fault(self, method: str, asked: str) -> Fault | None:
        with self.guard:
            for fault in self.faults:
                if fault.times and fault.method in ("", method) and re.search(fault.path, asked):
                    fault.times -= 1
                    return fault
        return None


@contextmanager
def running_hub(port: int = 0) -> Iterator[FakeHub]:
    """A server in a thread of its own."""
    hub = FakeHub(port)
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


def is_large(path: str, size: int) -> bool:
    return path.endswith(LARGE_SUFFIXES) or size > LARGE_BYTES


class _Refusal(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Code": code} if code else {}
        if message:
            self.headers["X-Error-Message"] = message


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._read_chunks()
        path = unquote(urlsplit(self.path).path)
        asked = Request(self.command, path, self.headers.get("Range"), self.headers.get("Authorization"))
        self.server.requests.append(asked)
        self.fault = self.server.take_fault(self.command, f"{path} {asked.range or ''}") or Fault("")
        try:
            if self.fault.silent_seconds:
                time.sleep(self.fault.silent_seconds)
            if self.fault.status:
                self._answer(self.fault.status, b"{}", self.fault.headers)
            else:
                self._route(path, body)
        except _Refusal as refusal:
            self._answer(refusal.status, json.dumps({"error": str(refusal)}).encode(), refusal.headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _route(self, path: str, body: bytes) -> None:
        name = r"([\w.-]+/[\w.-]+?)"
        for method, pattern, action in (
            ("GET", r"/cdn/(\w+)", self._content),
            ("HEAD|GET", rf"/{name}/resolve/([^/]+|refs/pr/\d+)/(.+)", self._resolve),
            ("GET", rf"/api/models/{name}(?:/revision/(.+))?", self._info),
            ("POST", r"/api/repos/create", lambda: self._create(json.loads(body))),
            ("POST", r"/api/validate-yaml", lambda: self._json({"errors": [], "warnings": []})),
            ("POST", rf"/api/models/{name}/preupload/(.+)", lambda n, _: self._preupload(n, json.loads(body))),
            ("POST", rf"/{name}\.git/info/lfs/objects/batch", lambda n: self._batch(n, json.loads(body))),
            ("PUT", r"/lfs/(\w+)", lambda oid: self._put(oid, body)),
            ("POST", r"/lfs/verify", lambda: self._verify(json.loads(body))),
            ("POST", rf"/api/models/{name}/commit/(.+)", lambda n, _: self._commit(n, body)),
        ):
            if self.command in method.split("|") and (match := re.fullmatch(pattern, path)):
                action(*match.groups())
                return
        raise _Refusal(404)

    def _token(self) -> str:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token and token not in (OWNER, READER):
            raise _Refusal(401, message="Invalid credentials in Authorization header")
        return token

    def _readable(self, name: str) -> Repository:
        repository, token = self.server.repositories.get(name), self._token()
        if repository is None or (repository.private and not token):
            raise _Refusal(404 if token else 401, "RepoNotFound", "Repository not found")
        return repository

    def _writable(self, name: str) -> Repository:
        repository, token = self._readable(name), self._token()
        if token != OWNER:
            raise _Refusal(403 if token else 401, message="You don't have the rights to write here")
        return repository

    def _version(self, repository: Repository, revision: str | None) -> tuple[str, dict[str, bytes]]:
        commit = repository.head if revision in (None, "main") else revision
        if commit not in repository.commits:
            raise _Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit, repository.commits[commit]

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repository = self._readable(name)
        if repository.gated and self._token() != OWNER:
            raise _Refusal(403 if self._token() else 401, "GatedRepo", f"Access to model {name} is restricted")
        commit, files = self._version(repository, revision)
        if path not in files:
            refusal = _Refusal(404, "EntryNotFound", "Entry not found")
            refusal.headers["X-Repo-Commit"] = commit
            raise refusal
        content = files[path]
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if not is_large(path, len(content)):
            blob = b"blob %d\0" % len(content) + content
            self._send(content, {**headers, "ETag": f'"{hashlib.sha1(blob).hexdigest()}"'})
            return
        sha256 = hashlib.sha256(content).hexdigest()
        self.server.objects[sha256] = content
        headers |= {"X-Linked-Size": str(len(content)), "X-Linked-ETag": f'"{sha256}"', **self.fault.headers}
        location = f"http://localhost:{self.server.server_address[1]}/cdn/{sha256}"
        self._answer(302, b"Found", {**headers, "Location": location})

    def _content(self, sha256: str) -> None:
        self._send(self.server.objects[sha256], {"ETag": f'"{sha256}"'})

    def _send(self, content: bytes, headers: dict[str, str]) -> None:
        content = content if self.fault.content is None else self.fault.content
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        status, size = 200, len(content)
        if asked and not self.fault.ignore_range:
            first, last = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
            if first >= size:
                raise _Refusal(416)
            status, content = 206, content[first : last + 1]
            headers = {**headers, "Content-Range": f"bytes {first}-{last}/{size}"}
        self._answer(status, content, headers)

    def _info(self, name: str, revision: str | None) -> None:
        repository = self._readable(name)
        commit, files = self._version(repository, revision)
        siblings = [{"rfilename": path} for path in sorted(files)]
        self._json({"id": name, "modelId": name, "sha": commit, "siblings": siblings, "private": repository.private})

    def _create(self, options: dict) -> None:
        name = f"{options.get('organization') or OWNER}/{options['name']}"
        if self._token() != OWNER:
            raise _Refusal(403 if self._token() else 401, message="You don't have the rights to create a model here")
        url = f"{self.server.endpoint}/{name}"
        if name in self.server.repositories:
            self._answer(409, json.dumps({"error": "You already created this model repo", "url": url}).encode(), {})
            return
        private = options.get("private") or options.get("visibility") == "private"
        self.server.add(name, {".gitattributes": b"*.safetensors filter=lfs\n"}, private=bool(private))
        self._json({"url": url, "name": name, "id": name})

    def _preupload(self, name: str, options: dict) -> None:
        self._writable(name)
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if is_large(file["path"], file["size"]) else "regular",
                "shouldIgnore": False,
            }
            for file in options["files"]
        ]
        self._json({"files": modes})

    def _batch(self, name: str, options: dict) -> None:
        self._writable(name)
        found = []
        for entry in options["objects"]:
            upload = {"href": f"{self.server.endpoint}/lfs/{entry['oid']}"}
            actions = {"upload": upload, "verify": {"href": f"{self.server.endpoint}/lfs/verify"}}
            known = entry["oid"] in self.server.objects
            found.append({**entry, "authenticated": True, **({} if known else {"actions": actions})})
        self._json({"transfer": "basic", "objects": found})

    def _put(self, oid: str, body: bytes) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            raise _Refusal(400, message="The content is not what was announced")
        self.server.objects[oid] = body
        self._answer(200, b"", {})

    def _verify(self, options: dict) -> None:
        if len(self.server.objects.get(options["oid"], b"")) != options["size"]:
            raise _Refusal(404, message="No such object")
        self._json({})

    def _commit(self, name: str, body: bytes) -> None:
        repository = self._writable(name)
        files: dict[str, bytes] = {}
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
        with self.server.guard:
            commit = repository.commit(files)
        url = f"{self.server.endpoint}/{name}/commit/{commit}"
        self._json({"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})

    def _json(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault.cut_after is not None:
            content = content[: self.fault.cut_after]
            self.close_connection = True
        if not self.fault.pause_seconds:
            self.wfile.write(content)
            return
        for start in range(0, len(content), 4096):
            self.wfile.write(content[start : start + 4096])
            self.wfile.flush()
            time.sleep(self.fault.pause_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hub_server", description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=8123)
    options = parser.parse_args()
    with running_hub(options.port) as hub:
        print(f"serving on {hub.endpoint}; tokens: {OWNER}, {READER}; stop with Ctrl-C", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
