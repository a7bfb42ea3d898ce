import { expect } from 'chai';
import fc from 'fast-check';
import { checkRegisters, type RegisterAction, type RegisterOperation } from './registers.ts';

type Line = readonly [client: string, called: number, answered: number | null, action: RegisterAction];

function history(...lines: readonly Line[]): readonly RegisterOperation[] {
  return lines.map(([client, called, answered, action]) => ({ key: 'x', client, called, answered, action }));
}
const read = (value: number | null): RegisterAction => ({ kind: 'read', value });
const write = (value: number): RegisterAction => ({ kind: 'write', value });
const set = (from: number | null, to: number, done: boolean | null): RegisterAction => ({
  kind: 'set',
  from,
  to,
  done,
});

const allowed: Readonly<Record<string, readonly RegisterOperation[]>> = {
  'one after another': history(['a', 1, 2, write(1)], ['b', 3, 4, read(1)]),
  'a read beside a write sees either': history(
    ['a', 1, 10, write(1)],
    ['b', 2, 3, read(null)],
    ['c', 4, 5, read(1)],
  ),
  'a write that nobody answered is seen later': history(
    ['a', 1, null, write(1)],
    ['b', 2, 3, read(null)],
    ['c', 4, 5, read(1)],
  ),
  'a write that nobody answered never happens': history(['a', 1, null, write(1)], ['b', 2, 3, read(null)]),
  'comparisons in turn': history(
    ['a', 1, 2, set(null, 1, true)],
    ['b', 3, 9, set(2, 3, true)],
    ['c', 4, 8, set(1, 2, true)],
    ['d', 10, 11, set(1, 5, false)],
  ),
  'a comparison fails because of a write that nobody answered': history(
    ['a', 1, null, write(1)],
    ['b', 2, 3, set(null, 2, false)],
    ['c', 4, 5, read(1)],
  ),
};

const refused: Readonly<Record<string, readonly RegisterOperation[]>> = {
  'a stale read': history(['a', 1, 2, write(1)], ['b', 3, 4, write(2)], ['c', 5, 6, read(1)]),
  'a lost write': history(['a', 1, 2, write(1)], ['b', 3, 4, read(null)]),
  'a value from nowhere': history(['a', 1, 2, write(1)], ['b', 3, 4, read(7)]),
  'two reads that see two writes in two orders': history(
    ['a', 1, 20, write(1)],
    ['b', 2, 20, write(2)],
    ['c', 3, 4, read(1)],
    ['d', 5, 6, read(2)],
    ['c', 7, 8, read(1)],
  ),
  'a write that was seen and then not': history(
    ['a', 1, null, write(1)],
    ['b', 2, 3, read(1)],
    ['c', 4, 5, read(null)],
  ),
  'two comparisons that both won': history(['a', 1, 9, set(null, 1, true)], ['b', 2, 8, set(null, 2, true)]),
  'a comparison that failed for no reason': history(['a', 1, 2, write(1)], ['b', 3, 4, set(1, 2, false)]),
};

describe('checker: registers', () => {
  for (const [name, operations] of Object.entries(allowed)) {
    it(`allows ${name}`, () => expect(checkRegisters(operations)).to.deep.equal([]));
  }
  for (const [name, operations] of Object.entries(refused)) {
    it(`refuses ${name}`, () => {
      const anomalies = checkRegisters(operations);
      expect(anomalies).to.have.length(1);
      expect(anomalies[0]!.description).to.contain('register x: after');
    });
  }

  it('judges each key by itself and names it', () => {
    const other = refused['a lost write']!.map((operation) => ({ ...operation, key: 'y' }));
    const anomalies = checkRegisters([...allowed['one after another']!, ...other]);
    expect(anomalies.map(({ description }) => description.slice(0, 10))).to.deep.equal(['register y']);
  });

  it('agrees with a register that really is one, and with a search through every order', () => {
    fc.assert(
      fc.property(fc.array(operationOf(), { maxLength: 6 }), (operations) => {
        expect(checkRegisters(operations).length === 0).to.equal(isLinearizable(operations));
      }),
      { numRuns: 1500 },
    );
  });
});

function operationOf(): fc.Arbitrary<RegisterOperation> {
  const value = fc.constantFrom(1, 2);
  const action: fc.Arbitrary<RegisterAction> = fc.oneof(
    fc.constantFrom(null, 1, 2).map(read),
    value.map(write),
    fc.tuple(fc.constantFrom(null, 1, 2), value, fc.boolean()).map((fields) => set(...fields)),
  );
  const span = fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 12 }), fc.nat(5));
  return fc.tuple(action, span).map(([chosen, [start, length, unknown]]) => ({
    key: 'x',
    client: 'c',
    called: 2 * start,
    answered: unknown === 0 && chosen.kind === 'write' ? null : 2 * (start + length) - 1,
    action: chosen,
  }));
}

/** By trying every order that time allows. */
function isLinearizable(operations: readonly RegisterOperation[], state: number | null = null): boolean {
  const ends = operations.map(({ answered }) => answered ?? Number.POSITIVE_INFINITY);
  if (ends.every((end) => end === Number.POSITIVE_INFINITY)) return true;
  const firstEnd = Math.min(...ends);
  return operations.some((operation) => {
    if (operation.called > firstEnd) return false;
    const { action } = operation;
    const rest = operations.filter((other) => other !== operation);
    if (action.kind === 'read') return action.value === state && isLinearizable(rest, state);
    if (action.kind === 'write') return isLinearizable(rest, action.value);
    const isEqual = state === action.from;
    return isEqual === action.done && isLinearizable(rest, isEqual ? action.to : state);
  });
}
