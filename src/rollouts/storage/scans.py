"""The catalog's part about what a push looked for in files: which snapshots were looked at, and what was found.

A commit that is noted here was looked at whole: each of its blobs that gave something away is noted as well. Both are
noted in one transaction, and only by what looked the same way; so whatever is lost here is looked at again, no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from rollouts.storage.catalog import Catalog

Found = tuple[tuple[str, int], ...]
"""Kinds of secrets in a blob, and their lines."""


def scanned(catalog: Catalog, workspace_id: str, looked: str) -> set[str]:
    """The commits of a workspace that were looked at.

    Args:
        catalog: an open one.
        workspace_id: whose.
        looked: what looks: with another one nothing counts.
    """
    sql = "SELECT oid FROM scanned_commits WHERE workspace_id = ? AND looked = ?"
    return {str(oid) for (oid,) in catalog.rows(sql, workspace_id, looked)}


def leaking(catalog: Catalog, workspace_id: str, looked: str) -> dict[str, Found]:
    """Blob -> what it gives away, of those that do. Arguments as for `scanned`."""
    sql = "SELECT oid, findings FROM leaking_blobs WHERE workspace_id = ? AND looked = ?"
    rows = catalog.rows(sql, workspace_id, looked)
    return {str(oid): tuple((kind, line) for kind, line in json.loads(str(found))) for oid, found in rows}


def note(catalog: Catalog, workspace_id: str, looked: str, commits: Iterable[str], found: Mapping[str, Found]) -> None:
    """Notes that commits were looked at, and all that is known of their blobs, in one transaction."""
    with catalog:
        catalog.rows("DELETE FROM scanned_commits WHERE workspace_id = ? AND looked != ?", workspace_id, looked)
        catalog.rows("DELETE FROM leaking_blobs WHERE workspace_id = ? AND looked != ?", workspace_id, looked)
        rows = [(workspace_id, oid, looked, json.dumps(findings)) for oid, findings in found.items()]
        catalog.write_all("INSERT OR REPLACE INTO leaking_blobs VALUES (?, ?, ?, ?)", rows)
        marks = [(workspace_id, commit, looked) for commit in commits]
        catalog.write_all("INSERT OR REPLACE INTO scanned_commits VALUES (?, ?, ?)", marks)


def allowed(catalog: Catalog, workspace_id: str) -> set[str]:
    """The blobs that somebody let go to the workspace's archive, whatever was found in them."""
    rows = catalog.rows("SELECT oid FROM allowed_blobs WHERE workspace_id = ?", workspace_id)
    return {str(oid) for (oid,) in rows}


def allow(catalog: Catalog, workspace_id: str, blobs: Iterable[str]) -> None:
    """Notes that blobs may go to the workspace's archive."""
    with catalog:
        rows = [(workspace_id, oid) for oid in blobs]
        catalog.write_all("INSERT OR IGNORE INTO allowed_blobs VALUES (?, ?)", rows)
