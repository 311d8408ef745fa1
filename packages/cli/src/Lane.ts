/** The lanes of the Outbox as people name them: `pipeline/run`. */

/** What a lane is about. */
export interface Lane {
  readonly lane: string
  /** `pipeline`, `dataset`, `server` or `stream`. */
  readonly type: string
  readonly key: string
  /** Of pipelines only. */
  readonly run: string | undefined
}

/** Takes a lane apart, as `Event.lane` made it. */
export const parse = (lane: string): Lane => {
  const colon = lane.indexOf(":")
  const [key = "", run] = lane.slice(colon + 1).split("/")
  return {
    lane,
    type: lane.slice(0, colon),
    key: plain(key),
    run: run === undefined ? undefined : plain(run)
  }
}

/** `pipeline/run`, or the key of another component with its type. */
export const name = (lane: string): string => {
  const { key, run, type } = parse(lane)
  return run === undefined ? `${type} ${key}` : `${key}/${run}`
}

/**
 * The lanes that somebody means: those whose run key, or `pipeline/run`, is exactly that; else those that contain it.
 */
export const find = (lanes: ReadonlyArray<string>, wanted: string): ReadonlyArray<string> => {
  const exact = lanes.filter((lane) => [lane, name(lane), parse(lane).run].includes(wanted))
  if (exact.length > 0) return exact
  const part = wanted.toLowerCase()
  return lanes.filter((lane) => name(lane).toLowerCase().includes(part))
}

const plain = (key: string): string => key.replaceAll("%2F", "/").replaceAll("%25", "%")
