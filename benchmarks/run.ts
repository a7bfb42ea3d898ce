import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Row } from './row.ts';
import { tableOf } from './row.ts';
import { hasPostgres, postgresVersion } from './servers.ts';

/**
 * `npm run bench [name …]`: runs the named workloads, or all, prints their tables, and keeps the newest of each in
 * RESULTS.md, between the marks of its name.
 */
const directory = import.meta.dirname;
const resultsPath = join(directory, 'RESULTS.md');
const workloads: Readonly<Record<string, () => Promise<{ run(): Promise<Row[]> }>>> = {
  log: () => import('./log.ts'),
  embedded: () => import('./embedded.ts'),
  pgwire: () => import('./pgwire.ts'),
  open: () => import('./open.ts'),
  idle: () => import('./idle.ts'),
  package: () => import('./package.ts'),
  mesh: () => import('./mesh.ts'),
  replicated: () => import('./replicated.ts'),
  'event-loop': () => import('./event-loop.ts'),
};

const names = process.argv.slice(2);
for (const name of names.length === 0 ? Object.keys(workloads) : names) {
  const load = workloads[name];
  if (load === undefined) {
    console.error(`No workload is named "${name}": ${Object.keys(workloads).join(', ')}.`);
    process.exit(1);
  }
  const table = tableOf(await (await load()).run());
  console.log(`\n${name}\n${table}`);
  keep(name, `${conditions()}\n\n${table}`);
}

function conditions(): string {
  const { version, versions } = process;
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB`;
  const software = [`Node ${version}`, `SQLite ${versions.sqlite ?? '-'}`];
  if (hasPostgres()) software.push(postgresVersion());
  const given = Object.entries(process.env).filter(([key]) => key.startsWith('ALOPEX_BENCH_'));
  return [
    new Date().toISOString().slice(0, 10),
    machine,
    software.join(', '),
    `load ${loadavg()[0]?.toFixed(1)} at the end`,
    ...given.map(([key, value]) => `${key}=${value}`),
  ].join('; ');
}

function keep(name: string, text: string): void {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const section = `${open}\n${text}\n${close}`;
  const results = existsSync(resultsPath) ? readFileSync(resultsPath, 'utf8') : '# Results\n';
  const [from, to] = [results.indexOf(open), results.indexOf(close)];
  const kept =
    from < 0
      ? `${results}\n## ${name}\n\n${section}\n`
      : results.slice(0, from) + section + results.slice(to + close.length);
  writeFileSync(resultsPath, kept);
}
