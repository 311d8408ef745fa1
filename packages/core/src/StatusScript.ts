/**
 * The script of the status page, served as a file of its own. It only puts the parts that the agent renders into their places
 * as they change, and says whether the agent still answers.
 */

/** The script, whole. */
export const script = `"use strict"
const connection = document.getElementById("connection")
const updated = document.getElementById("updated")
const waiting = new Map()
let source
let lastHeard = 0
let isGone = false

const say = (text) => { if (connection.textContent !== text) connection.textContent = text }

// What somebody is marking to copy stays as it is until they are done.
const isMarked = (place) => {
  const selection = getSelection()
  return selection !== null && !selection.isCollapsed && selection.containsNode(place, true)
}

const put = () => {
  for (const [name, content] of waiting) {
    const place = document.querySelector('[data-part="' + name + '"]')
    if (place !== null && isMarked(place)) continue
    waiting.delete(name)
    // The agent has escaped everything in it that came from elsewhere.
    if (place !== null) place.innerHTML = content
  }
}

const heard = (at) => {
  lastHeard = performance.now()
  isGone = false
  document.body.classList.remove("gone")
  say("Live, as of")
  updated.dateTime = at
  updated.textContent = at.slice(11, 19)
}

const gone = () => {
  if (isGone) return
  isGone = true
  document.body.classList.add("gone")
  say("The agent does not answer any more. It is tried again. This is what it said last, at")
}

const connect = () => {
  source?.close()
  source = new EventSource("/events?view=page")
  source.addEventListener("page", (event) => {
    const { at, parts } = JSON.parse(event.data)
    for (const name of Object.keys(parts)) waiting.set(name, parts[name])
    put()
    heard(at)
  })
  source.addEventListener("error", () => {
    gone()
    // The browser tries again by itself unless the answer was a refusal.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000)
  })
}

setInterval(() => {
  put()
  if (lastHeard > 0 && performance.now() - lastHeard > 10000 && !document.hidden) gone()
}, 2000)
connect()
`
