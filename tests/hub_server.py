"""The hub's protocol over local folders, as far as huggingface_hub, datasets and transformers use it to read;
publishing is answered by hub_uploads.py.

HF_ENDPOINT is read as those libraries are imported: run what must use the server in a process of its own, with
`hub_environment` as its environment.
"""

import hashlib
import json
import os
import re
import threading
from collections.abc import Mapping
from email.message import Message
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub_uploads import Uploads

# The folder of each commit of each repository, the newest commit first.
Repositories = Mapping[tuple[Literal["model", "dataset"], str], Mapping[str, Path]]

API = re.compile(r"/api/(?P<kind>model|dataset)s/(?P<name>[^/]+/[^/]+)/(?P<action>revision|commits|tree|paths-info)/(?P<rest>.+)")
FILE = re.compile(r"/(?P<kind>datasets/)?(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


class HubServer:
    """A server for as long as the `with` block lasts; `requests` is what it was asked for, as `GET /path`.

    `main` is the newest commit. `status` is answered to everything if it is not None: 500 for a hub that is down, say.
    Without `uploads` nothing can be published.
    """

    def __init__(self, repositories: Repositories, status: int | None = None, uploads: Uploads | None = None):
        self.repositories = repositories
        self.uploads = uploads
        self.status = status
        self.requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def hub_environment(url: str, home: Path) -> dict[str, str]:
    """The environment of a process whose hub is at `url` and whose cache is `home`, with no one's token or proxy."""
    hub = re.compile("HF_|HUGGING|[a-z_]*proxy$", re.IGNORECASE)
    return {key: value for key, value in os.environ.items() if not hub.match(key)} | {"HF_ENDPOINT": url, "HF_HOME": str(home)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: HubServer, *arguments):
        self.hub = hub
        super().__init__(*arguments)

    def log_message(self, *_: object) -> None:
        """Quiet: `HubServer.requests` has it."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = urlsplit(self.path)
        path = unquote(target.path)
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.status is not None:
            self.refuse(self.hub.status, "")
        elif self.hub.uploads is not None and (answer := self.hub.uploads.answer(self.hub.url, path, self.token(), body)):
            self.send_json(answer.value, answer.status)
        elif found := API.fullmatch(path):
            self.answer_api(**found.groupdict(), body=body)
        elif found := FILE.fullmatch(path):
            self.answer_file(**found.groupdict())
        else:
            self.refuse(404, "RepoNotFound")

    do_HEAD = do_POST = do_PUT = do_GET

    def token(self) -> str | None:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if kind == "Bearer" else None

    def find_commit(self, kind: str, name: str, revision: str) -> str | None:
        """The commit of a revision; if there is none the request is refused and None comes back."""
        commits = self.hub.repositories.get((kind, name))
        if commits is None:
            self.refuse(401, "RepoNotFound")  # as the hub does: who has no token shall not learn what exists
        elif revision == "main":
            return next(iter(commits))
        elif revision in commits:
            return revision
        else:
            self.refuse(404, "RevisionNotFound")
        return None

    def answer_api(self, kind: str, name: str, action: str, rest: str, body: bytes) -> None:
        revision, _, below = rest.partition("/")
        commit = self.find_commit(kind, name, revision)
        if commit is None:
            return
        folder = self.hub.repositories[kind, name][commit]
        every = sorted(folder.rglob("*"))
        if action == "revision":
            siblings = [{"rfilename": str(path.relative_to(folder))} for path in every if path.is_file()]
            self.send_json({"id": name, "sha": commit, "private": False, "tags": [], "siblings": siblings})
        elif action == "commits":
            self.send_json([commit_entry(one) for one in self.hub.repositories[kind, name]])
        elif action == "paths-info":
            asked = set(asked_paths(body, self.headers))
            self.send_json([tree_entry(path, folder) for path in every if str(path.relative_to(folder)) in asked])
        elif not (folder / below).is_dir():
            self.refuse(404, "EntryNotFound", commit)
        else:
            deep = "true" in [v.lower() for v in parse_qs(urlsplit(self.path).query).get("recursive", [])]
            inside = (folder / below).rglob("*") if deep else (folder / below).iterdir()
            self.send_json([tree_entry(path, folder) for path in sorted(inside)])

    def answer_file(self, kind: str | None, name: str, revision: str, path: str) -> None:
        kind = "dataset" if kind else "model"
        commit = self.find_commit(kind, name, revision)
        if commit is None:
            return
        file = self.hub.repositories[kind, name][commit] / path
        if not file.is_file():
            self.refuse(404, "EntryNotFound", commit)
            return
        data = file.read_bytes()
        headers = {"X-Repo-Commit": commit, "ETag": f'"{digest(data)}"', "Accept-Ranges": "bytes"}
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            self.send(206, data[first : last + 1], headers)
        else:
            self.send(200, data, headers)

    def refuse(self, status: int, code: str, commit: str | None = None) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": code} if code else {}
        self.send(status, b"{}", headers | ({"X-Repo-Commit": commit} if commit else {}))

    def send_json(self, value: object, status: int = 200) -> None:
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def digest(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


def commit_entry(commit: str) -> dict:
    return {"id": commit, "authors": [], "date": "2024-01-01T00:00:00.000Z", "title": "", "message": ""}


def tree_entry(path: Path, folder: Path) -> dict:
    name = str(path.relative_to(folder))
    if path.is_dir():
        return {"type": "directory", "oid": digest(name.encode()), "size": 0, "path": name}
    return {"type": "file", "oid": digest(path.read_bytes()), "size": path.stat().st_size, "path": name}


def asked_paths(body: bytes, headers: Message) -> list[str]:
    if headers.get_content_type() == "application/json":
        return json.loads(body)["paths"]
    return parse_qs(body.decode())["paths"]
