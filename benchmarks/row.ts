import { unreachable } from '../base/unreachable.ts';

/** One line of a table. */
export type Row = Comparison | Latency | Limit | Figure;

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

/** Ours against a peer: less is better. */
export type Latency = Omit<Comparison, 'kind' | 'bar'> & {
  readonly kind: 'latency';
  /** The ratio not to exceed. */
  readonly bar: number;
};

/** Of ours, where there is no peer on this machine. */
export type Figure = {
  readonly kind: 'figure';
  readonly workload: string;
  readonly unit: string;
  readonly ours: number;
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
  switch (row.kind) {
    case 'limit':
      return row.ours < row.max ? 'ok' : 'below';
    case 'latency':
      return row.ours / row.peer <= row.bar ? 'ok' : 'below';
    case 'figure':
      return '-';
    case 'comparison':
      if (row.bar === null) return '-';
      return row.ours / row.peer >= row.bar ? 'ok' : 'below';
    default:
      return unreachable(row);
  }
}

export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const { workload, unit, ours } = row;
    return `| ${[workload, unit, figure(ours), ...judged(row), verdict(row)].join(' | ')} |`;
  });
  return [
    '| workload | unit | ours | peer | ratio | bar | |',
    '|---|---|---:|---:|---:|---:|---|',
    ...lines,
  ].join('\n');
}

/** The peer's, the ratio, the bar. */
function judged(row: Row): readonly [string, string, string] {
  switch (row.kind) {
    case 'limit':
      return ['-', '-', `< ${figure(row.max)} ${row.unit}`];
    case 'figure':
      return ['none here', '-', '-'];
    case 'latency':
      return [figure(row.peer), figure(row.ours / row.peer), `≤ ${row.bar}`];
    case 'comparison':
      return [figure(row.peer), figure(row.ours / row.peer), row.bar === null ? '-' : `≥ ${row.bar}`];
    default:
      return unreachable(row);
  }
}

function figure(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value === 0 ? '0' : value.toPrecision(3);
}
