"""What a replay knows: the graph so far, and the indexes that make each step take the same time in a long rollout."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from rollouts.trace.errors import TraceError
from rollouts.trace.model import Graph, Inference, Item, Thread, Tool
from rollouts.trace.reducer.normalize import Key, Normalized
from rollouts.trace.reducer.payloads import Payloads
from rollouts.trace.reducer.pending import PendingCell, PendingEdges, ordinal
from rollouts.trace.reducer.rules import Rules
from rollouts.trace.values import ItemKind


class Known:
    """An item of the conversation as it is matched with what payloads show.

    Attributes:
        item: the item.
        key: what an item must show to be this one.
        seen: what was seen of it last.
        listed: it is in its thread's list.
        used_in: the request that showed it last.
    """

    __slots__ = ("item", "key", "listed", "seen", "used_in")

    def __init__(self, item: Item, key: Key, seen: Normalized) -> None:
        self.item = item
        self.key = key
        self.seen = seen
        self.listed = False
        self.used_in: object = None


@dataclass(slots=True)
class Conversations:
    """Where items are found again.

    Attributes:
        known: item id -> item.
        snapshots: thread -> the items of its last request, with the responses since.
        latest: thread -> the inference whose request that was.
        replacements: thread -> the history that a compaction installed and no request has shown yet.
        received: (thread, Responses id) -> a message that came with its acceptance, and that no payload has shown yet.
        by_call: (thread, call id, kind) -> items.
        by_response_id: (thread, Responses id) -> items.
        accepted: (thread, Responses id) -> time (ms) and number of the first acceptance.
        last_message: (thread, turn) -> its newest assistant message.
    """

    known: dict[str, Known] = field(default_factory=dict)
    snapshots: dict[str, list[Known]] = field(default_factory=lambda: defaultdict(list))
    latest: dict[str, str] = field(default_factory=dict)
    replacements: dict[str, list[Known]] = field(default_factory=dict)
    received: dict[tuple[str, str], Known] = field(default_factory=dict)
    by_call: dict[tuple[str, str, ItemKind], list[Known]] = field(default_factory=lambda: defaultdict(list))
    by_response_id: dict[tuple[str, str], list[Known]] = field(default_factory=lambda: defaultdict(list))
    accepted: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    last_message: dict[tuple[str, str], Item] = field(default_factory=dict)


@dataclass(slots=True)
class Runtime:
    """Where runtime objects are found again.

    Attributes:
        tool_of_call: model-visible call id -> tool call.
        inferences_of_item: item id -> the inferences whose response it is in.
        inferences_of_response: (thread, response id) -> inference ids, sorted.
        running_inferences, running_cells: turn -> what of it still runs.
        cells_of_runtime: thread -> runtime's handle -> cell.
        nested_tools: cell -> the tools that it asked for.
        pending_cells: cell -> a start whose source item has not been seen.
        pending_sources: (thread, call id) -> the pending cell that waits for it.
        ready_cells: pending cells whose source item has been seen.
        process_ids: operation -> the process it runs in.
        newest_session: thread -> process id -> terminal session.
        requests_of_compaction: compaction -> its requests.
    """

    tool_of_call: dict[str, Tool] = field(default_factory=dict)
    inferences_of_item: dict[str, list[Inference]] = field(default_factory=lambda: defaultdict(list))
    inferences_of_response: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    running_inferences: dict[str, dict[str, Inference]] = field(default_factory=lambda: defaultdict(dict))
    running_cells: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    cells_of_runtime: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    nested_tools: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    pending_cells: dict[str, PendingCell] = field(default_factory=dict)
    ready_cells: set[str] = field(default_factory=set)
    process_ids: dict[str, str] = field(default_factory=dict)
    newest_session: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    requests_of_compaction: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


@dataclass(slots=True)
class Replay:
    """One bundle on its way into a graph.

    `left_out` is what a tolerant replay could not use of the event at hand; None in a strict one.
    """

    graph: Graph
    rules: Rules
    payloads: Payloads
    normalized: dict[bytes, Normalized | None]
    conversations: Conversations = field(default_factory=Conversations)
    runtime: Runtime = field(default_factory=Runtime)
    edges: PendingEdges = field(default_factory=PendingEdges)
    left_out: list[str] | None = None

    def object_to(self, error: TraceError) -> None:
        """Something small is wrong: fatal, or in a tolerant replay left out and noted.

        Raises:
            TraceError: the replay is strict.
        """
        if self.left_out is None:
            raise error
        self.left_out.append(str(error))

    def items_of_call(self, thread_id: str, call_id: str, kinds: tuple[ItemKind, ...]) -> list[str]:
        """The ids of the items of a call in a thread: as they were seen, or in schema 1 as they sort."""
        by_call = self.conversations.by_call
        items = [known.item for kind in kinds for known in by_call.get((thread_id, call_id, kind), ())]
        if self.rules.reuses_output_ids:
            return [item.item_id for item in sorted(items, key=ordinal)]
        return sorted(item.item_id for item in items)

    def thread(self, thread_id: str) -> Thread:
        """A thread that was started.

        Raises:
            TraceError: there is none of that id.
        """
        thread = self.graph.threads.get(thread_id)
        if thread is None:
            raise TraceError(f"trace event referenced unknown thread {thread_id}")
        return thread
