import { faultKinds, isOfPrimary } from './faults.ts';
import type { Complaint } from './server-process.ts';
import type { SoakReport, Strike } from './soak.ts';

export function isClean({ seen, anomalies, differences, complaints }: SoakReport): boolean {
  const all = [anomalies, differences, seen.unexplained, seen.stale, unexplained(complaints)];
  return all.every((problems) => problems.length === 0);
}

/** What a server may say when others go: a connection lost, a leader gone, another node at the address of one whose disk was lost. */
const explainedCodes: ReadonlySet<string | null> = new Set([
  ...['08000', '08003', '08006', '57P03', '25006'],
  '28000',
]);

function unexplained(complaints: readonly Complaint[]): readonly Complaint[] {
  return complaints.filter(({ code }) => !explainedCodes.has(code));
}

export function reportText(report: SoakReport): string {
  const { strikes, seen, anomalies, differences, complaints } = report;
  const { history } = seen;
  const of = (kind: string): number => history.marked.filter(({ outcome }) => outcome === kind).length;
  const ofPrimary = strikes.filter(({ kind }) => isOfPrimary(kind));
  const kinds = faultKinds.map((kind) =>
    lineOf(
      kind,
      strikes.filter((each) => each.kind === kind),
    ),
  );
  const errors = Array.from(seen.errors, ([name, count]) => `${name}: ${count}`).join(', ');
  return [
    '',
    `${'fault'.padEnd(30)} count   no write accepted: p50, p99, max ms   for those that look for the primary`,
    ...kinds.filter((line) => line !== null),
    lineOf('all of the primary', ofPrimary),
    '',
    `${history.operations} operations on registers and lists, ${history.registers.length} register operations, ${history.lists.length} transactions on lists, ${history.bankReads.length} reads of all accounts`,
    `${of('acknowledged')} transactions acknowledged, ${of('refused')} refused, ${of('unknown')} unknown; ${seen.awaited} reads by token`,
    `errors: ${errors}; given up: ${seen.givenUp}`,
    ...texts(
      'anomaly',
      anomalies.map(({ kind, description }) => `${kind}: ${description}`),
    ),
    ...texts('replicas differ', differences),
    ...texts('stale read', seen.stale),
    ...texts('unexplained error', seen.unexplained),
    ...grouped(complaints),
    isClean(report) ? 'clean: nothing acknowledged is lost, nothing is applied twice' : 'NOT CLEAN',
  ].join('\n');
}

function lineOf(name: string, strikes: readonly Strike[]): string | null {
  if (strikes.length === 0) return null;
  const all = quantiles(strikes.map(({ gapMs }) => gapMs));
  const looking = quantiles(strikes.map(({ clientGapMs }) => clientGapMs));
  return `${name.padEnd(30)} ${String(strikes.length).padStart(5)}   ${all.padEnd(35)} ${looking}`;
}

function quantiles(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return `${at(0.5)}, ${at(0.99)}, ${sorted.at(-1)}`;
}

const shownMax = 20;

function texts(what: string, problems: readonly string[]): readonly string[] {
  const shown = problems.slice(0, shownMax).map((problem) => `${what}: ${problem}`);
  return problems.length > shownMax ? [...shown, `and ${problems.length - shownMax} more`] : shown;
}

/** Those that differ by nothing but numbers are one. */
function grouped(complaints: readonly Complaint[]): readonly string[] {
  const groups = Map.groupBy(complaints, ({ code, text }) => `${code} ${text.replaceAll(/\d+/g, 'N')}`);
  return Array.from(groups, ([text, all]) => {
    const prefix = unexplained(all).length > 0 ? 'a server complains' : 'a server says';
    return `${prefix}, ${all.length} times: ${text}`;
  });
}
