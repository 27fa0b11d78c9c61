"""What `hf push` says of what it did, or would do."""

from __future__ import annotations

from rollouts.commands import exporting, output
from rollouts.commands.capture import shown
from rollouts.commands.publishing import Result, Snapshots
from rollouts.publish.hub import Outcome, Plan
from rollouts.push import Sent
from rollouts.scanning import ADVICE
from rollouts.storage.delivery import PUSHED, SKIPPED, STOPPED


def tell(result: Result) -> None:
    """Says what did not go; the sessions among it have been named when they failed."""
    for sent in result.snapshots.sent:
        if sent.error:
            output.say(
                f"Not pushed: snapshots of {shown(sent.workspace.root_path)}: {exporting.on_one_line(sent.error)}"
            )
    for sent, row in result.snapshots.wrong:
        if row.reason != sent.error:
            turn = f"session {row.snapshot.session_id}, message {row.snapshot.message_id}"
            output.say(f"Not pushed: snapshot of {exporting.on_one_line(f'{turn} ({row.status}): {row.reason}')}")
    if result.snapshots.count(STOPPED):
        output.warn([ADVICE])
    exporting.tell_unreadable(result.good)


def _redacted(result: Result) -> str:
    if result.redaction is None:
        return "no (--no-redact)"
    replaced = result.dataset.replaced
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(replaced.items(), key=lambda one: (-one[1], one[0])))
    count = sum(replaced.values())
    return f"{count} place{'' if count == 1 else 's'} ({kinds})" if kinds else "nothing was found"


def _dataset(found: Outcome | Plan) -> list[str]:
    """The lines of agent-rollouts 0.1 about the dataset, then ours."""
    lines = [
        f"batch: {found.batch_id or 'none'}",
        f"added sessions: {found.added}",
        f"updated sessions: {found.changed}",
    ]
    if isinstance(found, Outcome):
        lines.append(f"total rows: {found.total_rows}")
    seen = "not there yet" if found.private is None else "private" if found.private else "public"
    return [*lines, f"new data: {output.size(found.bytes)}", f"visibility: {seen}"]


def lines(result: Result) -> None:
    """Prints it for people, beginning with the lines of agent-rollouts 0.1."""
    found, snapshots = result.dataset, result.snapshots
    output.line("Synced dataset" if isinstance(found, Outcome) else "Would sync dataset")
    output.line(f"repo: {found.name}")
    output.line(f"pushed snapshots: {snapshots.count(PUSHED)}")
    output.line(f"skipped snapshots: {snapshots.count(SKIPPED)}")
    output.line(f"created remotes: {snapshots.made}")
    for text in _dataset(found):
        output.line(text)
    output.line(f"unchanged sessions: {found.unchanged + result.unread}")
    output.line(f"redacted: {_redacted(result)}")
    if result.bad:
        output.line(f"not exported: {len(result.bad)}")
    if found.batch_id is None:
        output.line("nothing new")
    for sent in snapshots.sent:
        output.line(f"archive: {shown(sent.url)}")
    output.line(found.url)


def _workspace(snapshots: Snapshots, sent: Sent) -> dict[str, object]:
    wrong = [row for one, row in snapshots.wrong if one is sent]
    return {
        "id": sent.workspace.id,
        **output.path_fields(sent.workspace.root_path, "root_path"),
        "remote_url": sent.url,
        "pushed": sent.count(PUSHED),
        "skipped": sent.count(SKIPPED),
        "error": sent.error,
        "problems": [
            {
                "session_id": row.snapshot.session_id,
                "message_id": row.snapshot.message_id,
                "status": row.status,
                "reason": row.reason or None,
            }
            for row in wrong
        ],
    }


def _snapshots(snapshots: Snapshots) -> dict[str, object]:
    return {
        "pushed_snapshots": snapshots.count(PUSHED),
        "skipped_snapshots": snapshots.count(SKIPPED),
        "created_remotes": snapshots.made,
        "workspaces": [_workspace(snapshots, sent) for sent in snapshots.sent],
    }


def document(result: Result) -> None:
    """Prints it as JSON (docs/contracts.md)."""
    found, redaction = result.dataset, result.redaction
    done = found if isinstance(found, Outcome) else None
    looked = redaction and {"engines": list(redaction.engines), "verified_by": redaction.verified_by}
    facts: dict[str, object] = {
        "dry_run": done is None,
        "dataset": found.name,
        "url": found.url,
        "created": done.created if done else None,
        "private": found.private,
        "batch_id": found.batch_id,
        "added": found.added,
        "updated": found.changed,
        "unchanged": found.unchanged + result.unread,
        "unread": result.unread,
        "failed": len(result.bad),
        "bytes": found.bytes,
        "total_rows": done.total_rows if done else None,
        "redaction": looked and {**looked, "replaced": found.replaced},
    }
    failures = [{"session_id": one.session_id, "agent": one.agent, "error": one.problem} for one in result.bad]
    output.document(facts | _snapshots(result.snapshots) | {"failures": failures})
