/**
 * What the framework's Channels and Loops cost beside bare Queues and fibers.
 *
 * Events go one by one the way they take in an agent, poll → Channel → track → Channel → send, with Tasks that do next to
 * nothing and no input or output. Beside it, the same hops over `Queue.bounded` with plain forked fibers, which catch no
 * failure, keep no health and end by force. Both are measured in one process, round by round in turn, so that what the
 * machine does besides falls on both; the ratio is what counts.
 *
 *     node --conditions=@observability-agents/source bench/Pipeline.ts
 */
import * as Channel from "@observability-agents/core/Channel"
import { Health } from "@observability-agents/core/Health"
import * as Loop from "@observability-agents/core/Loop"
import { Supervisor } from "@observability-agents/core/Supervisor"
import { Deferred, Effect, Fiber, Layer, Queue } from "effect"

interface Message {
  readonly id: number
}

const EVENTS = 100_000
const CAPACITY = 64
const WARM_UP = 3
const ROUNDS = 11

const framework = Effect.gen(function* () {
  const done = yield* Deferred.make<number>()
  let received = 0
  const pipeline = Layer.unwrap(
    Effect.gen(function* () {
      const polled = yield* Channel.make<Message>("polled", { capacity: CAPACITY })
      const tracked = yield* Channel.make<Message>("tracked", { capacity: CAPACITY })
      const toTrack = yield* Channel.sender(polled)
      const toSend = yield* Channel.sender(tracked)
      let id = 0
      return Layer.mergeAll(
        Loop.once(
          "poll",
          Effect.whileLoop({
            while: () => id < EVENTS,
            body: () => toTrack.send({ id: id++ }),
            step: () => {}
          }),
          { onEnd: toTrack.close }
        ),
        Loop.receive("track", polled.receiver, (message) => toSend.send({ id: message.id + 1 }), {
          onEnd: toSend.close
        }),
        Loop.receive(
          "send",
          tracked.receiver,
          () =>
            Effect.sync(() => {
              received += 1
            }),
          { onEnd: Effect.suspend(() => Effect.asVoid(Deferred.succeed(done, received))) }
        )
      )
    })
  ).pipe(Layer.provide(Layer.merge(Health.layer, Supervisor.layer)))
  return yield* Effect.scoped(Effect.andThen(Layer.build(pipeline), Deferred.await(done)))
})

const bare = Effect.gen(function* () {
  const done = yield* Deferred.make<number>()
  const polled = yield* Queue.bounded<Message>(CAPACITY)
  const tracked = yield* Queue.bounded<Message>(CAPACITY)
  let received = 0
  let id = 0
  const poll = Effect.whileLoop({
    while: () => id < EVENTS,
    body: () => Queue.offer(polled, { id: id++ }),
    step: () => {}
  })
  const track = Effect.forever(
    Effect.flatMap(Queue.take(polled), (message) => Queue.offer(tracked, { id: message.id + 1 })),
    { disableYield: true }
  )
  const send = Effect.forever(
    Effect.flatMap(Queue.take(tracked), () =>
      Effect.suspend(() => {
        received += 1
        return received === EVENTS ? Deferred.succeed(done, received) : Effect.void
      })
    ),
    { disableYield: true }
  )
  const fibers = [
    yield* Effect.forkChild(poll),
    yield* Effect.forkChild(track),
    yield* Effect.forkChild(send)
  ]
  const all = yield* Deferred.await(done)
  yield* Fiber.interruptAll(fibers)
  return all
})

/** Events per second of one round. */
const round = Effect.fnUntraced(function* (pipeline: Effect.Effect<number>) {
  const start = process.hrtime.bigint()
  const events = yield* pipeline
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  if (events !== EVENTS) return yield* Effect.die(new Error(`${events} of ${EVENTS} events arrived`))
  return events / seconds
})

const median = (numbers: ReadonlyArray<number>): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

const program = Effect.gen(function* () {
  const rates = { framework: Array<number>(), bare: Array<number>() }
  const ratios: Array<number> = []
  for (let i = 0; i < WARM_UP + ROUNDS; i++) {
    // The one that goes first is the other one each time.
    const first = i % 2 === 0 ? yield* round(framework) : undefined
    const reference = yield* round(bare)
    const ours = first ?? (yield* round(framework))
    if (i < WARM_UP) continue
    rates.framework.push(ours)
    rates.bare.push(reference)
    ratios.push(ours / reference)
  }
  const show = (rate: number) => `${Math.round(rate).toLocaleString("en").padStart(11)} events/s`
  console.log(`poll → Channel → track → Channel → send, ${EVENTS} events, median of ${ROUNDS} rounds in turn`)
  console.log(`Loops and Channels  ${show(median(rates.framework))}`)
  console.log(`Queues and fibers   ${show(median(rates.bare))}`)
  console.log(`ratio               ${median(ratios).toFixed(2).padStart(11)}`)
})

await Effect.runPromise(program)
