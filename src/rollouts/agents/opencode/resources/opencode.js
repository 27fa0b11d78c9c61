// Rollouts: keeps the workspace at every turn. Made by `rollouts setup opencode`, which also updates and removes it.
const PROGRAM = "rollouts"
const EVERY_TOOL = false

const PATIENCE = 35000 // milliseconds that a call may take; `rollouts hook` stops by itself before that
const GLANCE = 2000 // milliseconds that OpenCode may take to say whose a session is

const within = (time, work, otherwise) => {
  let timer
  const limit = new Promise((resolve) => {
    timer = setTimeout(() => resolve(otherwise), time)
  })
  return Promise.race([work, limit]).finally(() => clearTimeout(timer))
}

// One process an event, its facts as JSON on stdin. A program that is gone, or fails, is passed over.
const call = async (facts) => {
  const { spawn } = await import("node:child_process")
  await new Promise((resolve) => {
    const words = EVERY_TOOL ? ["hook", "opencode", "--every-tool"] : ["hook", "opencode"]
    const child = spawn(PROGRAM, words, { stdio: ["pipe", "ignore", "ignore"] })
    const timer = setTimeout(() => {
      child.kill("SIGKILL")
      resolve()
    }, PATIENCE)
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    child.on("error", done)
    child.on("close", done)
    child.stdin.on("error", () => {})
    child.stdin.end(JSON.stringify(facts))
  })
}

export const Rollouts = async ({ client, directory }) => {
  const pending = new Set() // event handlers are not waited for, dispose is
  const parents = new Map() // session -> the one that started it, or null
  const latest = new Map() // session -> its newest assistant message

  const parent = async (id) => {
    if (!parents.has(id)) {
      const asked = client.session.get({ path: { id } }).then((reply) => reply?.data, () => undefined)
      const found = await within(GLANCE, asked, undefined)
      if (!found) return null
      parents.set(id, found.parentID ?? null)
    }
    return parents.get(id)
  }

  const root = async (id) => {
    const seen = new Set()
    for (let above = id; above && !seen.has(above); above = await parent(above)) {
      seen.add(above)
      id = above
    }
    return id
  }

  const tell = async (facts) => {
    try {
      const rootID = await root(facts.sessionID)
      // a subagent works in the turn of the session that started it; of its own only the end is told
      if (rootID === facts.sessionID || facts.event === "session.idle") await call({ ...facts, rootID, directory })
    } catch {
      // a turn that is not captured is no reason to stop the agent
    }
  }

  const hooks = {
    "chat.message": async (input, output) => {
      try {
        const { message, parts } = output
        const texts = parts.filter((part) => part.type === "text" && !part.synthetic).map((part) => part.text)
        const model = message.model ?? input.model
        await tell({
          event: "chat.message",
          sessionID: input.sessionID,
          messageID: message.id,
          prompt: texts.join("\n"),
          model: model && `${model.providerID}/${model.modelID}`,
        })
      } catch {
        // as in tell
      }
    },
    event: async ({ event }) => {
      try {
        const facts = event.properties
        if (event.type === "session.created") parents.set(facts.info.id, facts.info.parentID ?? null)
        if (event.type === "message.updated" && facts.info.role === "assistant")
          latest.set(facts.info.sessionID, facts.info)
        if (event.type !== "session.idle") return
        const last = latest.get(facts.sessionID)
        const job = tell({
          event: "session.idle",
          sessionID: facts.sessionID,
          messageID: last?.id,
          model: last && `${last.providerID}/${last.modelID}`,
        }).finally(() => pending.delete(job))
        pending.add(job)
        await job
      } catch {
        // as in tell
      }
    },
    dispose: async () => {
      await Promise.all(pending)
    },
  }
  if (EVERY_TOOL)
    hooks["tool.execute.after"] = async (input) => {
      try {
        const last = latest.get(input.sessionID)
        await tell({
          event: "tool.execute.after",
          sessionID: input.sessionID,
          messageID: last?.id,
          tool: input.tool,
          callID: input.callID,
          model: last && `${last.providerID}/${last.modelID}`,
        })
      } catch {
        // as in tell
      }
    }
  return hooks
}
