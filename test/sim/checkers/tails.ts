import type { Anomaly } from './anomaly.ts';

/** A change as a tail told it, or as the log has it; `text` is all of it. */
export type TailedChange = { readonly offset: number; readonly text: string };
export type Tail = {
  readonly name: string;
  /** What it was asked to tell: from here on, and what it has been answered up to. */
  readonly from: number;
  readonly to: number;
  readonly changes: readonly TailedChange[];
};

/** A tail tells every committed change once, in the order of the log. */
export function checkTails(tails: readonly Tail[], committed: readonly TailedChange[]): readonly Anomaly[] {
  return tails.flatMap(({ name, from, to, changes }) => {
    const expected = committed.filter(({ offset }) => offset >= from && offset < to);
    const differs = Array.from({ length: Math.max(expected.length, changes.length) }).findIndex(
      (_, index) => textOf(expected[index]) !== textOf(changes[index]),
    );
    if (differs < 0) return [];
    return {
      kind: 'tail',
      description: `${name}, from ${from} to ${to}: change ${differs} is ${textOf(changes[differs])}, and the log has ${textOf(expected[differs])}`,
    };
  });
}

function textOf(change: TailedChange | undefined): string {
  return change === undefined ? 'none' : `${change.text} at ${change.offset}`;
}
