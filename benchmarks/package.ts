import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inDirectory, median } from './measure.ts';
import { createTable, idleMegabytes } from './open.ts';
import type { Row } from './row.ts';
import { hasPostgres, startAlopex } from './servers.ts';

const starts = 9;
const rowsSmall = 10_000;
const rowsLarge = Number(process.env.ALOPEX_BENCH_ROWS ?? 1_000_000);

type FirstQuery = { readonly milliseconds: number; readonly residentKb: number };

/** What the package costs as a stranger has it: packed, installed in an empty project, run as JavaScript. */
export async function run(): Promise<Row[]> {
  return inDirectory('package', async (directory) => {
    const project = install(directory);
    const [small, large] = [join(directory, 'small'), join(directory, 'large')];
    await createTable(small, rowsSmall);
    await createTable(large, rowsLarge);
    const measured = Array.from({ length: starts }, () => firstQuery(project, small));
    const rows: Row[] = [
      {
        kind: 'limit',
        workload: 'package: import, open and first query',
        unit: 'ms',
        ours: median(measured.map(({ milliseconds }) => milliseconds)),
        max: 250,
      },
      {
        kind: 'limit',
        workload: 'package: memory with a database of 10,000 rows',
        unit: 'MB',
        ours: median(measured.map(({ residentKb }) => residentKb)) / 1024,
        max: 100,
      },
    ];
    const server = join(project, 'node_modules/alopex-db/bin/alopex-server.js');
    const megabytes = hasPostgres() ? await idleMegabytes(await startAlopex(large, server)) : null;
    if (megabytes !== null) {
      const workload = 'package: memory of an idle server with the large table';
      rows.push({ kind: 'limit', workload, unit: 'MB', ours: megabytes, max: 200 });
    }
    return rows;
  });
}

function install(directory: string): string {
  const project = join(directory, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }\n');
  runIn(join(import.meta.dirname, '..'), 'npm', 'pack', '--pack-destination', directory);
  const archive = readdirSync(directory).find((name) => name.endsWith('.tgz')) ?? '';
  runIn(project, 'npm', 'install', join(directory, archive), '--no-audit', '--no-fund', '--prefer-offline');
  copyFileSync(join(import.meta.dirname, 'package/first-query.js'), join(project, 'first-query.js'));
  return project;
}

function firstQuery(project: string, path: string): FirstQuery {
  return JSON.parse(runIn(project, process.execPath, 'first-query.js', path)) as FirstQuery;
}

function runIn(directory: string, command: string, ...parameters: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, parameters, { cwd: directory, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${parameters.join(' ')}: ${stderr}`);
  return stdout;
}
