// The fleet: what /fleet/overview says, drawn anew every few seconds. No library, no build.
const find = (id) => document.getElementById(id)
const ROWS = 500
let shown = null
let timer = null

// make("p", {class: "x"}, "text", child…): words of a board go in as text, never as HTML.
function make(tag, attributes, ...children) {
  const svg = tag === "svg" || tag === "rect" || tag === "title"
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag)
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value)
  made.append(...children.filter((child) => child !== null))
  return made
}

function ago(seconds) {
  if (seconds === null) return "never"
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]])
    if (seconds >= 2 * size) return `${Math.round(seconds / size)} ${unit} ago`
  return `${Math.round(seconds)} s ago`
}

function counted(rollout, stage) {
  const count = {waiting: 0, offered: 0, busy: 0, confirmed: 0, failed: 0, lost: 0}
  for (const board of stage) count[(rollout.boards[board] || ["waiting"])[0]] += 1
  return count
}

function bar(count, total) {
  const said = Object.entries(count).filter(([, n]) => n).map(([word, n]) => `${n} ${word}`).join(", ")
  const drawn = make("svg", {class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": said})
  let x = 0
  for (const word of ["confirmed", "busy", "failed", "lost"]) {
    const width = 100 * count[word] / total
    if (width) drawn.append(make("rect", {class: `f-${word}`, x, y: 0, width, height: 10}))
    x += width
  }
  return [drawn, said]
}

function rolloutCard(rollout) {
  if (rollout.damaged) return make("article", {class: "card bad"}, `${rollout.id}: what is kept of it cannot be read.`)
  const word = rollout.state === "stopped" ? "word bad" : "word"
  const card = make("article", {class: "card", "data-id": rollout.id},
    make("div", {class: "head"},
      make("span", {}, make("strong", {}, rollout.version), ` ${rollout.id}`),
      make("span", {class: word}, rollout.state)))
  if (rollout.why) card.append(make("p", {class: rollout.state === "stopped" ? "bad" : "muted"}, rollout.why))
  rollout.stages.forEach((stage, number) => {
    const count = counted(rollout, stage)
    const [drawn, said] = bar(count, stage.length)
    card.append(make("div", {class: "stage"}, make("span", {}, `stage ${number + 1}`), drawn, make("span", {class: "muted"}, said)))
  })
  const had = rollout.had.length
  if (had) card.append(make("p", {class: "muted"}, `${had} had it already`))
  const broken = Object.entries(rollout.boards).filter(([, [outcome]]) => outcome === "failed" || outcome === "lost")
  if (broken.length) {
    card.append(make("ul", {}, ...broken.slice(0, 50).map(([board, [outcome, reason]]) =>
      make("li", {}, make("strong", {}, board), " ", make("span", {class: outcome === "lost" ? "lost" : "bad"}, `${outcome}: ${reason}`)))))
    if (broken.length > 50) card.append(make("p", {class: "muted"}, `and ${broken.length - 50} more`))
  }
  return card
}

function versionRows(boards) {
  const count = new Map()
  for (const board of boards) count.set(board.version || "none yet", (count.get(board.version || "none yet") || 0) + 1)
  const rows = [...count].sort((one, other) => other[1] - one[1])
  return rows.slice(0, 20).map(([version, number]) => {
    const [drawn] = bar({confirmed: number, busy: 0, failed: 0, lost: 0}, boards.length)
    return make("div", {class: "stage"}, make("span", {}, version), drawn, make("span", {class: "muted"}, `${number} of ${boards.length}`))
  })
}

function drawBoards() {
  const word = find("find").value.trim().toLowerCase()
  const match = shown.boards.filter((board) =>
    !word || [board.id, board.version, board.state, board.model, board.address].some((text) => (text || "").toLowerCase().includes(word)))
  find("boards").replaceChildren(...match.slice(0, ROWS).map((board) => make("tr", {},
    make("td", {}, board.id), make("td", {}, board.version || "none yet"),
    make("td", {class: board.state === "error" ? "bad" : ""}, board.state),
    make("td", {}, ago(board.silent_s)), make("td", {}, board.address || ""),
    make("td", {}, board.state === "unknown" ? "" : board.model))))
  find("more").textContent = match.length > ROWS ? `and ${match.length - ROWS} more: find narrows the list`
    : shown.boards.length ? "" : "No board yet: 'pico-ota fleet token ID' makes one known."
}

function draw() {
  const rollouts = [...shown.rollouts].sort((one, other) => (other.created || 0) - (one.created || 0))
  find("rollouts").replaceChildren(...(rollouts.length ? rollouts.slice(0, 20).map(rolloutCard)
    : [make("p", {class: "muted"}, "None yet: 'pico-ota fleet rollout RELEASE.swu' begins one.")]))
  find("versions").replaceChildren(...versionRows(shown.boards))
  drawBoards()
}

function inside(yes) {
  document.querySelector("main").hidden = !yes
  find("leave").hidden = !yes
  find("login").hidden = yes
  if (!yes) {
    find("age").textContent = ""
    for (const id of ["rollouts", "versions", "boards"]) find(id).replaceChildren()
  }
}

async function refresh() {
  clearTimeout(timer)
  const began = performance.now()
  try {
    const answer = await fetch("overview", {cache: "no-store"})
    if (answer.status === 401) return inside(false)
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`)
    shown = await answer.json()
    draw()
    inside(true)
    find("age").textContent = `as of ${new Date().toLocaleTimeString()}`
    find("age").className = ""
  } catch (error) {
    find("age").textContent = `not up to date: ${error.message}`
    find("age").className = "bad"
  }
  // A large fleet costs the server time for each look.
  timer = setTimeout(refresh, Math.max(2000, 10 * (performance.now() - began)))
}

async function post(path, document) {
  return fetch(path, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(document)})
}

find("login").addEventListener("submit", async (event) => {
  event.preventDefault()
  const form = event.target
  find("refused").textContent = ""
  try {
    const answer = await post("login", {name: form.name.value, password: form.password.value})
    if (!answer.ok) {
      find("refused").textContent = (await answer.json()).detail || `the server answered ${answer.status}`
      return
    }
    form.password.value = ""
    await refresh()
  } catch (error) {
    find("refused").textContent = `the server does not answer: ${error.message}`
  }
})
find("leave").addEventListener("click", async () => {
  await post("logout", {})
  clearTimeout(timer)
  inside(false)
})
find("find").addEventListener("input", drawBoards)
refresh()
