/** One line of a table. */
export type Row = Comparison | Limit;

/** Ours against a peer on the same work in the same run, as work a second: more is better. */
export type Comparison = {
  readonly kind: 'comparison';
  readonly workload: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer: number;
  /** The ratio to reach; null where none is set. */
  readonly bar: number | null;
};

/** A figure of ours alone that is not to be exceeded. */
export type Limit = {
  readonly kind: 'limit';
  readonly workload: string;
  readonly unit: string;
  readonly ours: number;
  readonly max: number;
};

export function verdict(row: Row): 'ok' | 'below' | '-' {
  if (row.kind === 'limit') return row.ours < row.max ? 'ok' : 'below';
  if (row.bar === null) return '-';
  return row.ours / row.peer >= row.bar ? 'ok' : 'below';
}

export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const { workload, unit, ours } = row;
    const [peer, ratio, bar] =
      row.kind === 'limit'
        ? ['-', '-', `< ${figure(row.max)} ${unit}`]
        : [figure(row.peer), figure(row.ours / row.peer), row.bar === null ? '-' : `≥ ${row.bar}`];
    return `| ${[workload, unit, figure(ours), peer, ratio, bar, verdict(row)].join(' | ')} |`;
  });
  return [
    '| workload | unit | ours | peer | ratio | bar | |',
    '|---|---|---:|---:|---:|---:|---|',
    ...lines,
  ].join('\n');
}

function figure(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value === 0 ? '0' : value.toPrecision(3);
}
