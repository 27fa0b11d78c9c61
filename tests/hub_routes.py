"""What a Hub on loopback answers: the part of https://huggingface.co/docs/hub/api that dataset clients use."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import yaml

from hub_storage import (
    Commit,
    Dataset,
    Entry,
    Refusal,
    Storage,
    described,
    described_folder,
    folders_above,
    now,
)

Json = dict[str, Any]
_NAME = "[^/]+/[^/]+?"


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Json:
        found: Json = json.loads(self.body or b"{}")
        return found

    def user(self, *, write: bool = False) -> str | None:
        """Who asks; `hf_<user>` may write, `hf_ro_<user>` may read, `hf_expired_<user>` may nothing any more."""
        token = self.headers.get("authorization", "")
        if not token and not write:
            return None
        if token.startswith("Bearer hf_expired_"):
            raise Refusal(401, 'User Access Token "test" is expired')
        known = re.fullmatch(r"Bearer hf_(ro_)?([a-z0-9-]+)", token)
        if not known:
            raise Refusal(401, "Invalid credentials in Authorization header")
        if write and known[1]:
            raise Refusal(403, "Forbidden: this token has a read-only role")
        return known[2]

    def writer(self) -> str:
        return self.user(write=True) or ""


@dataclass(frozen=True)
class Answer:
    status: int = 200
    data: Json | list[Any] | bytes | Path = b""
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json; charset=utf-8"


class Routes:
    """Answers requests out of a storage; `url` is where it can be reached, `cdn` another host for large files."""

    def __init__(self, storage: Storage, url: str, cdn: str) -> None:
        self.storage, self.url, self.cdn = storage, url, cdn
        self._routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("GET", "/api/whoami-v2", self._whoami),
            ("POST", "/api/validate-yaml", self._validate_yaml),
            ("POST", "/api/repos/create", self._create),
            ("POST", f"/datasets/({_NAME}).git/info/lfs/objects/batch", self._lfs_batch),
            ("PUT", "/_lfs/([0-9a-f]{64})", self._lfs_put),
            ("GET|HEAD", "/_lfs/([0-9a-f]{64})", self._lfs_get),
            ("POST", "/_lfs-verify", self._lfs_verify),
            ("GET|HEAD", f"/datasets/({_NAME})/resolve/([^/]+)/(.+)", self._resolve),
            ("GET", f"/api/datasets/({_NAME})/xet-(read|write)-token/.*", self._xet_token),
            ("GET", f"/api/datasets/({_NAME})/tree/([^/]+)(?:/(.*))?", self._tree),
            ("POST", f"/api/datasets/({_NAME})/paths-info/([^/]+)", self._paths_info),
            ("POST", f"/api/datasets/({_NAME})/preupload/([^/]+)", self._preupload),
            ("POST", f"/api/datasets/({_NAME})/commit/main", self._commit),
            ("PUT", f"/api/datasets/({_NAME})/settings", self._settings),
            ("GET", f"/api/datasets/({_NAME})(?:/revision/([^/]+))?", self._info),
        ]

    def answer(self, asked: Asked) -> Answer:
        for method, pattern, route in self._routes:
            found = re.fullmatch(pattern, asked.path)
            if found and re.fullmatch(method, asked.method):
                return route(asked, *(unquote(part) if part else "" for part in found.groups()))
        raise Refusal(404, f"no such route here: {asked.method} {asked.path}")

    def _whoami(self, asked: Asked) -> Answer:
        user = asked.user()
        if not user:
            raise Refusal(401, "Invalid username or password.")
        token = {"displayName": "t", "role": "write", "createdAt": now()}
        facts = {"type": "user", "id": "1", "name": user, "fullname": user.title(), "orgs": []}
        return Answer(data=facts | {"auth": {"type": "access_token", "accessToken": token}})

    def _validate_yaml(self, asked: Asked) -> Answer:
        try:
            header = yaml.safe_load(asked.json()["content"].split("---\n")[1])
        except yaml.YAMLError as error:
            return Answer(400, {"errors": [{"message": str(error)}], "warnings": []})
        wrong = [key for key in ("configs", "tags") if key in header and not isinstance(header[key], list)]
        errors = [{"message": f'"{key}" must be an array'} for key in wrong]
        return Answer(400 if errors else 200, {"errors": errors, "warnings": []})

    def _create(self, asked: Asked) -> Answer:
        user, wanted = asked.writer(), asked.json()
        if (wanted.get("organization") or user) != user:
            raise Refusal(403, "You don't have the rights to create a dataset under this namespace")
        name = f"{user}/{wanted['name']}"
        with self.storage.lock:
            address = {"url": f"{self.url}/datasets/{name}", "name": name}
            if name in self.storage.datasets:
                return Answer(409, {"error": "You already created this dataset repo"} | address)
            private = bool(wanted.get("private")) or wanted.get("visibility") == "private"
            self.storage.create(name, user, private=private)
        return Answer(data=address)

    # Large files

    def _lfs_batch(self, asked: Asked, name: str) -> Answer:
        self.storage.dataset(name, asked.writer(), write=True)
        batch = asked.json()
        wanted = batch["objects"]
        self.storage.check_quota(name, sum(item["size"] for item in wanted))
        objects = []
        for item in wanted:
            href = f"{self.url}/_lfs/{item['oid']}"
            actions = {"upload": {"href": href, "header": {}}, "verify": {"href": f"{self.url}/_lfs-verify"}}
            there = self.storage.lfs_path(item["oid"]).exists()
            objects.append(item | {"authenticated": True} | ({} if there else {"actions": actions}))
        way = "xet" if "xet" in batch.get("transfers", ()) else "basic"  # huggingface_hub 1.0 asks here for it
        return Answer(data={"transfer": way, "objects": objects}, kind="application/vnd.git-lfs+json")

    def _lfs_put(self, asked: Asked, sha256: str) -> Answer:
        if hashlib.sha256(asked.body).hexdigest() != sha256:
            raise Refusal(400, "sha256 mismatch")
        self.storage.lfs_path(sha256).write_bytes(asked.body)
        return Answer(headers={"ETag": f'"{sha256}"'})

    def _lfs_get(self, asked: Asked, sha256: str) -> Answer:  # noqa: ARG002 - each route is given the request
        path = self.storage.lfs_path(sha256)
        if not path.exists():
            raise Refusal(404, "no such object")
        return Answer(data=path, headers={"ETag": f'"{sha256}"'}, kind="application/octet-stream")

    def _lfs_verify(self, asked: Asked) -> Answer:
        wanted = asked.json()
        path = self.storage.lfs_path(wanted["oid"])
        if not path.exists() or path.stat().st_size != wanted["size"]:
            raise Refusal(404, "object not found")
        return Answer(data={})

    def _xet_token(self, asked: Asked, name: str, way: str) -> Answer:
        user = asked.user(write=way == "write")
        self.storage.dataset(name, user, write=way == "write")
        facts = {"casUrl": f"local://{self.storage.cas}", "accessToken": "xet", "exp": int(time.time()) + 3600}
        headers = dict(
            zip(
                ("X-Xet-Cas-Url", "X-Xet-Access-Token", "X-Xet-Token-Expiration"), map(str, facts.values()), strict=True
            )
        )
        return Answer(data=facts, headers=headers)

    # Reading

    def _at(self, asked: Asked, name: str, revision: str) -> tuple[Dataset, Commit]:
        dataset = self.storage.dataset(name, asked.user())
        return dataset, dataset.at(revision or "main")

    def _resolve(self, asked: Asked, name: str, revision: str, path: str) -> Answer:
        _, commit = self._at(asked, name, revision)
        entry = commit.tree.get(path)
        headers = {"X-Repo-Commit": commit.oid}
        if entry is None:
            raise Refusal(404, "Entry not found", code="EntryNotFound", headers=headers)
        headers["ETag"] = f'"{entry.oid}"'
        if not entry.sha256:
            return Answer(data=self.storage.blobs[entry.oid], headers=headers, kind="application/octet-stream")
        headers |= {"X-Linked-Size": str(entry.size), "X-Linked-Etag": f'"{entry.sha256}"'}
        headers["Location"] = f"{self.cdn}/_lfs/{entry.sha256}"
        if entry.xet:
            refresh = f"{self.url}/api/datasets/{name}/xet-read-token/{commit.oid}"
            headers |= {"X-Xet-Hash": entry.xet, "Link": f'<{refresh}>; rel="xet-auth"'}
        return Answer(302, headers=headers, kind="text/plain")

    def _info(self, asked: Asked, name: str, revision: str) -> Answer:
        dataset, commit = self._at(asked, name, revision)
        files = [{"rfilename": path} for path in sorted(commit.tree)]
        facts = {"id": dataset.id, "author": name.partition("/")[0], "sha": commit.oid, "private": dataset.private}
        more = {"lastModified": commit.date, "gated": False, "disabled": False, "tags": [], "siblings": files}
        return Answer(data=facts | more | {"downloads": 0, "likes": 0})

    def _tree(self, asked: Asked, name: str, revision: str, below: str) -> Answer:
        _, commit = self._at(asked, name, revision)
        start = f"{below}/" if below else ""
        files = [item for item in sorted(commit.tree.items()) if item[0].startswith(start)]
        if below and not files:
            raise Refusal(404, f"{below} does not exist on {revision}", code="EntryNotFound")
        folders = dict.fromkeys(folder for path, _ in files for folder in folders_above(path) if folder > start)
        if asked.query.get("recursive", ["false"])[0].lower() != "true":
            files = [item for item in files if "/" not in item[0][len(start) :]]
            folders = {folder: None for folder in folders if "/" not in folder[len(start) :]}
        found = [*map(described_folder, folders), *(described(*item) for item in files)]
        return Answer(data=found, headers={"X-Repo-Commit": commit.oid})

    def _paths_info(self, asked: Asked, name: str, revision: str) -> Answer:
        _, commit = self._at(asked, name, revision)
        as_json = asked.body.startswith(b"{")
        wanted = asked.json()["paths"] if as_json else parse_qs(asked.body.decode()).get("paths", [])
        folders = {folder for path in commit.tree for folder in folders_above(path)}
        found = [described(path, commit.tree[path]) for path in wanted if path in commit.tree]
        return Answer(data=[*found, *(described_folder(path) for path in wanted if path in folders)])

    # Writing

    def _preupload(self, asked: Asked, name: str, revision: str) -> Answer:
        dataset = self.storage.dataset(name, asked.writer(), write=True)
        tree, files = dataset.at(revision).tree, []
        for item in asked.json()["files"]:
            large = self.storage.wants_lfs(item["path"], item["size"], base64.b64decode(item["sample"]))
            there = tree.get(item["path"])
            oid = (there.sha256 or there.oid) if there else None
            mode = "lfs" if large else "regular"
            files.append({"path": item["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return Answer(data={"files": files, "commitOid": dataset.head.oid})

    def _entry(self, operation: Json) -> Entry:
        value = operation["value"]
        if operation["key"] == "lfsFile":
            return self.storage.large(value["oid"])
        if operation["key"] != "file":
            raise Refusal(400, f"unknown operation {operation['key']}")
        data = base64.b64decode(value["content"])
        if len(data) > 2 * self.storage.lfs_threshold:
            raise Refusal(400, "Your push was rejected because it contains files larger than 10 MiB")
        return self.storage.blob(data)

    def _commit(self, asked: Asked, name: str) -> Answer:
        user = asked.writer()
        header, *operations = [json.loads(line) for line in asked.body.splitlines() if line.strip()]
        with self.storage.lock:
            dataset = self.storage.dataset(name, user, write=True)
            parent = header["value"].get("parentCommit") or dataset.head.oid
            if parent != dataset.head.oid:
                raise Refusal(412, "A commit has happened since. Please refresh and try again.")
            changed = {operation["value"]["path"]: self._entry(operation) for operation in operations}
            self.storage.check_quota(name, sum(entry.size for entry in changed.values()))
            made = self.storage.add_commit(dataset, dataset.head.tree | changed, header["value"]["summary"], user)
        address = f"{self.url}/datasets/{name}/commit/{made.oid}"
        return Answer(data={"success": True, "commitOid": made.oid, "commitUrl": address, "hookOutput": ""})

    def _settings(self, asked: Asked, name: str) -> Answer:
        dataset = self.storage.dataset(name, asked.writer(), write=True)
        wanted = asked.json()
        dataset.private = wanted.get("visibility") == "private" if "visibility" in wanted else wanted["private"]
        return Answer(data={"private": dataset.private})
