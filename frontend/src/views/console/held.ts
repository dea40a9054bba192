/**
 * The rows in the order in which a person saw them when he began to choose, with what is known of them now: a row must
 * not slip from under the key that chooses it. One that is not in the answer any more is left out, one that is new stands last.
 */
export function inHeldOrder<T extends Readonly<{ id: string }>>(order: readonly string[], now: readonly T[]): readonly T[] {
  const rank = new Map(order.map((id, i) => [id, i]));
  return [...now].sort((a, b) => (rank.get(a.id) ?? order.length) - (rank.get(b.id) ?? order.length));
}
