import { expect } from 'chai';
import type { ColumnBatch } from '../../base/values/column.ts';
import type { Runtime } from './operator.ts';
import { Pacer } from './pacer.ts';
import { rowsOf } from './rows.ts';

/** What a pacer gives of 10,000 rows, and what it asked for, where the work on a row takes `msPerRow`. */
function paced(msPerRow: (row: number) => number): { readonly rows: number[]; readonly sizes: number[] } {
  let nowMs = 0;
  const runtime = { pause: () => null, context: { sliceMs: () => nowMs } } as unknown as Runtime;
  const pacer = new Pacer(runtime);
  const values = Float64Array.from({ length: 4096 }, (_unused, row) => row);
  const even = Uint32Array.from({ length: 2048 }, (_unused, row) => row * 2);
  const column = { kind: 'float64', values, nulls: null } as const;
  const whole: ColumnBatch = { rowCount: 4096, columns: [column], selection: null };
  const batches = [whole, { ...whole, selection: even }, whole];
  const rows: number[] = [];
  const sizes: number[] = [];
  for (;;) {
    expect(pacer.pause()).to.equal(null);
    const batch = pacer.take();
    if (batch === null) {
      const next = batches.shift();
      if (next === undefined) return { rows, sizes };
      pacer.put(next);
      continue;
    }
    const taken = rowsOf(batch).map(([value]) => Number(value));
    sizes.push(taken.length);
    for (const row of taken) {
      rows.push(row);
      nowMs += msPerRow(row);
    }
  }
}

describe('Pacer', () => {
  const expected = [
    ...Array.from({ length: 4096 }, (_unused, row) => row),
    ...Array.from({ length: 2048 }, (_unused, row) => row * 2),
    ...Array.from({ length: 4096 }, (_unused, row) => row),
  ];

  it('gives whole batches where the work is quick, once it knows', () => {
    const { rows, sizes } = paced(() => 0.0001);
    expect(rows).to.deep.equal(expected);
    expect(sizes).to.deep.equal([128, 512, 2048, 1408, 2048, 4096]);
  });

  it('gives a few rows at a time where the work is slow, and more when it is no longer', () => {
    const { rows, sizes } = paced((row) => (row < 3000 ? 1 : 0));
    expect(rows).to.deep.equal(expected);
    expect(sizes.slice(0, 3)).to.deep.equal([128, 8, 8]);
    expect(Math.max(...sizes)).to.be.greaterThan(500);
  });
});
