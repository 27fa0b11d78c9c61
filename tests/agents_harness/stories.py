"""The scripts that the agents are driven through."""

from __future__ import annotations

from agents_harness.scenario import Delegate, Delete, Edit, Read, Scenario, Shell, Step, Thread, Wait, Write

CREATE = Thread(
    "TURN-ONE: create the project files",
    (
        Step(
            "Creating the files.",
            (Write("app.py", "def greet(name):\n    return 'hello ' + name\n"), Write("notes/todo.txt", "one\ntwo\n")),
            thinking="I will create a module and a note.",
        ),
        Step("Checking.", (Shell("ls && python3 -B -c \"import app; print(app.greet('x'))\""),)),
        Step("Created app.py and notes/todo.txt."),
    ),
)
_GENERATE = (
    "mkdir -p data && seq 1 500 > data/numbers.txt && printf '\\000\\001\\377' > data/blob.bin"
    " && ln -sf numbers.txt data/link && chmod +x app.py"
)
EDIT = Thread(
    "TURN-TWO: edit app.py and generate data",
    (
        Step(ops=(Read("app.py"),)),
        Step("Editing.", (Edit("app.py", "    return 'hello ' + name", "    return 'goodbye ' + name"),)),
        Step(ops=(Shell(_GENERATE),)),
        Step("Edited app.py and generated data."),
    ),
)
DELETE = Thread(
    "TURN-THREE: delete the note",
    (
        Step(ops=(Delete("notes/todo.txt"),)),
        Step(ops=(Shell("git status --short; exit 3"),)),
        Step("Deleted notes/todo.txt."),
    ),
)
_SUBTASK = "SUBTASK-A: write sub/made_by_sub.txt"
DELEGATE = Thread(
    "TURN-FOUR: delegate a job",
    (
        Step("Delegating.", (Delegate("write sub file", _SUBTASK),)),
        Step(ops=(Wait(),)),
        Step("The helper finished."),
    ),
)
SUBTASK = Thread(
    _SUBTASK,
    (
        Step(ops=(Write("sub/made_by_sub.txt", "made by the helper\n"),)),
        Step(ops=(Shell("cat sub/made_by_sub.txt"),)),
        Step("Wrote sub/made_by_sub.txt."),
    ),
)
TALK = Thread(
    "TURN-FIVE: just talk",
    (Step("Nothing to change; here is an answer.", thinking="No tools needed."),),
)

FIVE_TURNS = Scenario((CREATE, EDIT, DELETE, DELEGATE, TALK), (SUBTASK,))
"""Files made, edited and deleted, binary, linked and executable ones; a command that fails; a subagent; only talk."""

WRITING = Scenario((CREATE, DELEGATE), (SUBTASK,))
"""Two tool calls that write in one step, one that only looks, and a subagent's."""

ONE_TURN = Scenario((CREATE,))

COMPACTING = Scenario(
    (
        CREATE,
        Thread(
            "TURN-LONG: fill the window",
            (Step(ops=(Write("long.txt", "long\n"),)), Step("The window is full.", tokens=260_000)),
        ),
        Thread("TURN-AFTER: go on", (Step(ops=(Write("after.txt", "after\n"),)), Step("Went on after the summary."))),
    )
)
"""The second turn's answer says that the window is full: agents that compact by themselves do so then."""

AT_ONCE = Scenario(
    (
        Thread("LEFT: write left.txt", (Step(ops=(Write("left.txt", "left\n"),)), Step("Left is done."))),
        Thread("RIGHT: write right.txt", (Step(ops=(Write("right.txt", "right\n"),)), Step("Right is done."))),
    )
)
"""For two sessions in one workspace."""
