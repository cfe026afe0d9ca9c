"""What the hub answers to one who publishes a model: a repository is made, files are taken, a commit is made of them.

Large files come by Git LFS, of which this is the simple form: the hub's own Xet is asked off by `HF_HUB_DISABLE_XET=1`.
"""

import base64
import hashlib
import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODEL = r"/api/models/(?P<name>[^/]+/[^/]+)"
PREUPLOAD, COMMIT = re.compile(MODEL + "/preupload/main"), re.compile(MODEL + "/commit/main")
BATCH = re.compile(r"/(?P<name>[^/]+/[^/]+)\.git/info/lfs/objects/batch")
STORE = re.compile(r"/store/(?P<digest>[0-9a-f]{64})")


@dataclass
class Answer:
    """The status of an answer, and its value as JSON."""

    status: int
    value: Any


@dataclass
class Uploads:
    """What is published to a server: at first nothing.

    folder        below which each commit gets a folder
    token         of those who may write
    repositories  of the server: a commit comes first in its repository
    """

    folder: Path
    token: str
    repositories: dict[tuple[str, str], dict[str, Path]]
    private: dict[str, bool] = field(default_factory=dict)
    store: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    def answer(self, url: str, path: str, token: str | None, body: bytes) -> Answer | None:
        """The answer to a request; None for one that is no part of publishing."""
        if found := STORE.fullmatch(path):
            self.store[found["digest"]] = body
            return Answer(200, {})
        if path == "/api/validate-yaml":
            return self.look_at_card(json.loads(body)["content"])
        name = re.match(MODEL, path)
        if name and path == name[0] and name["name"] in self.private:
            return Answer(200, {"id": name["name"], "private": self.private[name["name"]], "siblings": []})
        writes = {PREUPLOAD: self.ways_of_files, COMMIT: self.commit, BATCH: batches_at(url)}
        found, act = next(((match, act) for form, act in writes.items() if (match := form.fullmatch(path))), (None, None))
        if found is None and path != "/api/repos/create":
            return None
        if token != self.token:
            return Answer(401, {"error": "Invalid credentials in Authorization header"})
        return self.make(json.loads(body)) if found is None else act(found["name"], body)

    def look_at_card(self, text: str) -> Answer:
        fine = text.startswith("---\n") and "\nlicense: " in text.split("\n---\n")[0]
        return Answer(200 if fine else 400, {"warnings": [], "errors": [] if fine else [{"message": "license is missing"}]})

    def make(self, asked: dict[str, Any]) -> Answer:
        name = f"{asked['organization']}/{asked['name']}"
        there = name in self.private
        self.private.setdefault(name, asked.get("visibility") == "private")
        self.repositories.setdefault(("model", name), {})
        return Answer(409 if there else 200, {"url": f"/{name}", "name": name})

    def ways_of_files(self, name: str, body: bytes) -> Answer:
        def way(path: str) -> dict[str, Any]:
            return {"path": path, "uploadMode": "lfs" if path.endswith(".safetensors") else "regular", "shouldIgnore": False}

        return Answer(200, {"files": [way(file["path"]) for file in json.loads(body)["files"]]})

    def commit(self, name: str, body: bytes) -> Answer:
        lines = [json.loads(line) for line in body.splitlines()]
        commit = hashlib.sha1(body + bytes(len(self.commits))).hexdigest()
        before = next(iter(self.repositories["model", name].values()), None)
        folder = self.folder / commit
        folder.mkdir(parents=True) if before is None else shutil.copytree(before, folder)
        for line in lines[1:]:
            value = line["value"]
            target = folder / value["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.store[value["oid"]] if line["key"] == "lfsFile" else base64.b64decode(value["content"]))
        self.repositories["model", name] = {commit: folder} | self.repositories["model", name]
        self.commits.append(lines[0]["value"]["summary"])
        return Answer(200, {"commitUrl": f"/{name}/commit/{commit}", "commitOid": commit})


def batches_at(url: str) -> Any:
    """Where each large file is to be sent."""

    def batch(_: str, body: bytes) -> Answer:
        objects = json.loads(body)["objects"]
        sent = [item | {"actions": {"upload": {"href": f"{url}/store/{item['oid']}"}}} for item in objects]
        return Answer(200, {"transfer": "basic", "objects": sent})

    return batch
