// The package as a stranger has it: packed, installed in an empty project without development dependencies, run as
// JavaScript and checked as TypeScript at its strictest; with and without the optional dependencies.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const work = mkdtempSync(join(tmpdir(), 'alopex-package-'));
const started = Date.now();

/** Runs a command, ends the whole run where it fails, and answers what it printed. */
function run(directory, command, ...parameters) {
  const { status, stdout, stderr } = spawnSync(command, parameters, {
    cwd: directory,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (status === 0) return stdout;
  console.error(`${command} ${parameters.join(' ')}\n${stdout}${stderr}`);
  console.log('0 passing\n1 failing');
  process.exit(1);
}

function expectText(what, text, expected) {
  if (text.includes(expected)) return;
  console.error(`${what}: expected "${expected}" in:\n${text}`);
  console.log('0 passing\n1 failing');
  process.exit(1);
}

function checkProject(name, ...installOptions) {
  const directory = join(work, name);
  mkdirSync(directory);
  for (const file of ['page.js', 'page.ts', 'tsconfig.json'])
    copyFileSync(join(here, file), join(directory, file));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module", "private": true }\n');
  const archive = join(
    work,
    readdirSync(work).find((file) => file.endsWith('.tgz')),
  );
  run(directory, 'npm', 'install', archive, '--no-audit', '--no-fund', '--prefer-offline', ...installOptions);
  expectText('the example of the page', run(directory, process.execPath, 'page.js'), 'the nearest is a');
  run(directory, process.execPath, tsc, '-p', 'tsconfig.json');
  const cli = join(directory, 'node_modules', 'alopex-db', 'bin', 'alopex-cli.js');
  const counted = run(
    directory,
    process.execPath,
    cli,
    'sql',
    '--data',
    'data',
    '-t',
    '-c',
    'SELECT count(*) FROM docs',
  );
  expectText('alopex-cli', counted, '2');
  const server = join(directory, 'node_modules', 'alopex-db', 'bin', 'alopex-server.js');
  expectText('alopex-server', run(directory, process.execPath, server, '--help'), '--port');
  console.log(`ok: ${name}`);
}

run(root, 'npm', 'pack', '--pack-destination', work);
checkProject('all-dependencies');
checkProject('no-optional-dependencies', '--omit=optional');
rmSync(work, { recursive: true, force: true });
console.log(`2 passing (${Math.round((Date.now() - started) / 1000)} s)`);
