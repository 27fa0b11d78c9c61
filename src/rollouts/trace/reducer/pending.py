"""What waits: messages for the item that carries them, and cells for the item that they come from."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

from rollouts.trace.model import Item
from rollouts.trace.values import Anchor, CellStatus, EdgeKind

Address = tuple[str, str | None, str]
"""Thread, author's path (None where it does not count) and content: what a message is delivered by."""


def ordinal(item: Item) -> int:
    """The place of an item among all."""
    return int(item.item_id.rpartition(":")[2])


@dataclass(slots=True)
class PendingEdge:
    """A message that was sent.

    Attributes:
        author: the sender's agent path.
        fallback: the thread that a spawn points at when its message is never seen.
    """

    edge_id: str
    kind: EdgeKind
    source: Anchor
    target_thread_id: str
    author: str | None
    content: str
    fallback: str | None
    started_at_unix_ms: int
    ended_at_unix_ms: int | None
    carried_raw_payload_ids: list[str]

    @property
    def address(self) -> Address:
        return (self.target_thread_id, self.author, self.content)

    def same_delivery(self, other: PendingEdge) -> bool:
        """Both speak of one message."""
        return (self.kind, self.source, self.address, self.fallback) == (
            other.kind,
            other.source,
            other.address,
            other.fallback,
        )


@dataclass(slots=True)
class PendingEdges:
    """Messages on their way, and items that could carry one.

    Attributes:
        waiting: edge id -> message, in the order in which they were sent.
        by_address: the same by what delivers them.
        of_tool: tool call -> ids of the edges and messages that it is the source of, the newest last.
        carriers: items in their threads that carry a message, oldest first.
        targets: item ids that an edge points at.
    """

    waiting: dict[str, PendingEdge] = field(default_factory=dict)
    by_address: dict[Address, dict[str, PendingEdge]] = field(default_factory=lambda: defaultdict(dict))
    of_tool: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    carriers: dict[Address, deque[Item]] = field(default_factory=lambda: defaultdict(deque))
    targets: set[str] = field(default_factory=set)

    def add(self, pending: PendingEdge) -> None:
        self.waiting[pending.edge_id] = pending
        self.by_address[pending.address][pending.edge_id] = pending

    def take(self, address: Address) -> PendingEdge | None:
        """The oldest message for an address, which waits no longer."""
        queue = self.by_address.get(address)
        if not queue:
            return None
        edge_id, pending = next(iter(queue.items()))
        del queue[edge_id], self.waiting[edge_id]
        return pending

    def free_carrier(self, address: Address) -> Item | None:
        """The first item in the thread that carries such a message and that no edge points at."""
        queue = self.carriers.get(address)
        while queue and queue[0].item_id in self.targets:
            queue.popleft()
        return queue[0] if queue else None


@dataclass(slots=True)
class CellEvent:
    """Something that happened to a cell.

    Attributes:
        ended: it was its end, not its first response.
        payload_id: the response's or result's payload.
    """

    seq: int
    at: int
    ended: bool
    status: CellStatus
    runtime_cell_id: str
    payload_id: str | None


@dataclass(slots=True)
class PendingCell:
    """A cell that was started before its source item was seen, and what happened to it since."""

    seq: int
    at: int
    thread_id: str
    codex_turn_id: str | None
    code_cell_id: str
    runtime_cell_id: str
    call_id: str
    source_js: str
    events: list[CellEvent] = field(default_factory=list)
