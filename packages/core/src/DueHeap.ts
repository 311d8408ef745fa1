/**
 * A binary heap: gives the least of its elements first. Adding and taking cost a number of comparisons that grows with
 * the logarithm of its size.
 */

/** Elements of type `A` in an order that must not change while they are in the heap. */
export interface DueHeap<in out A> {
  readonly push: (element: A) => void
  readonly pop: () => A | undefined
  readonly peek: () => A | undefined
  readonly size: () => number
}

/** An empty heap. `isLess` says whether its first argument goes before its second. */
export const make = <A>(isLess: (a: A, b: A) => boolean): DueHeap<A> => {
  const elements: Array<A> = []

  const push = (element: A): void => {
    let index = elements.length
    elements.push(element)
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = elements[parentIndex]
      if (parent === undefined || !isLess(element, parent)) break
      elements[index] = parent
      index = parentIndex
    }
    elements[index] = element
  }

  const pop = (): A | undefined => {
    const least = elements[0]
    const last = elements.pop()
    if (least === undefined || last === undefined || elements.length === 0) return least
    let index = 0
    for (;;) {
      const left = elements[2 * index + 1]
      const right = elements[2 * index + 2]
      if (left === undefined) break
      const isRight = right !== undefined && isLess(right, left)
      const child = isRight ? right : left
      if (!isLess(child, last)) break
      elements[index] = child
      index = 2 * index + (isRight ? 2 : 1)
    }
    elements[index] = last
    return least
  }

  return { push, pop, peek: () => elements[0], size: () => elements.length }
}
