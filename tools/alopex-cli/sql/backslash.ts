import { AlopexError } from '../../../base/errors.ts';
import {
  columnsQuery,
  databasesQuery,
  indexesQuery,
  relationQuery,
  relationsQuery,
  rolesQuery,
  schemasQuery,
} from './catalog-queries.ts';
import type { ResultRow } from './connection.ts';
import { copyFrom, copyTo, parseCopy } from './copy-command.ts';
import type { Shell } from './shell.ts';
import { tableFormats } from './table-text.ts';

type Command = {
  readonly usage: string;
  readonly help: string;
  readonly run: (shell: Shell, argument: string) => Promise<void>;
};

const list = (query: (argument: string) => string) => (shell: Shell, argument: string) =>
  shell.runStatement(query(argument));

/** By the letters after the backslash. */
export const commands: Readonly<Record<string, Command>> = {
  '?': { usage: '\\?', help: 'this list', run: (shell) => shell.print(helpText()) },
  q: { usage: '\\q', help: 'ends the shell', run: async (shell) => shell.quit() },
  d: { usage: '\\d [pattern]', help: 'tables, views, sequences; or one of them in detail', run: describe },
  dt: { usage: '\\dt [pattern]', help: 'tables', run: list((pattern) => relationsQuery('r', pattern)) },
  di: { usage: '\\di [pattern]', help: 'indexes', run: list((pattern) => relationsQuery('i', pattern)) },
  ds: { usage: '\\ds [pattern]', help: 'sequences', run: list((pattern) => relationsQuery('S', pattern)) },
  dn: { usage: '\\dn', help: 'schemas', run: list(() => schemasQuery) },
  du: { usage: '\\du', help: 'roles', run: list(() => rolesQuery) },
  l: { usage: '\\l', help: 'databases', run: list(() => databasesQuery) },
  g: { usage: '\\g', help: 'runs what is typed, without a semicolon', run: (shell) => shell.runBuffer() },
  r: { usage: '\\r', help: 'forgets what is typed', run: async (shell) => shell.clearBuffer() },
  p: { usage: '\\p', help: 'shows what is typed', run: (shell) => shell.print(`${shell.buffered}\n`) },
  x: { usage: '\\x', help: 'one line a value, or back', run: toggleExpanded },
  t: { usage: '\\t', help: 'rows alone, or back', run: toggleBare },
  format: { usage: `\\format ${tableFormats.join('|')}`, help: 'how results are printed', run: setFormat },
  timing: { usage: '\\timing', help: 'the time of each statement, or not', run: toggleTiming },
  i: {
    usage: '\\i file',
    help: 'runs a file',
    run: (shell, argument) => shell.runFile(required(argument, 'i')),
  },
  copy: {
    usage: "\\copy table [(columns)] from|to 'file' [options]",
    help: 'COPY with a file of this machine',
    run: copy,
  },
  echo: { usage: '\\echo text', help: 'prints the text', run: (shell, text) => shell.print(`${text}\n`) },
  conninfo: { usage: '\\conninfo', help: 'where this shell is connected', run: connectionInfo },
};

/** Runs a line that starts with a backslash. */
export async function runBackslash(shell: Shell, line: string): Promise<void> {
  const [, name = '', argument = ''] = /^\\(\?|\w*)\+?\s*(.*)$/s.exec(line.trimEnd()) ?? [];
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    throw new AlopexError('syntax_error', `invalid command \\${name}`, { hint: 'Try \\? for help.' });
  }
  await command.run(shell, argument.replace(/;$/, '').trim());
}

function helpText(): string {
  const width = Math.max(...Object.values(commands).map(({ usage }) => usage.length));
  const lines = Object.values(commands).map(({ usage, help }) => `  ${usage.padEnd(width)}  ${help}\n`);
  return `Statements end with a semicolon.\n${lines.join('')}`;
}

function required(argument: string, command: string): string {
  if (argument !== '') return argument;
  throw new AlopexError('syntax_error', `\\${command}: missing required argument`);
}

async function describe(shell: Shell, pattern: string): Promise<void> {
  if (pattern === '') {
    await shell.runStatement(relationsQuery('rvS', ''));
    return;
  }
  const relations = await shell.ask(relationQuery(pattern));
  if (relations.length === 0) {
    throw new AlopexError('undefined_table', `Did not find any relation named "${pattern}".`);
  }
  for (const relation of relations) await describeRelation(shell, relation);
}

const kindNames: Readonly<Record<string, string>> = { r: 'Table', v: 'View', i: 'Index', S: 'Sequence' };

async function describeRelation(shell: Shell, [oid, schema, name, kind]: ResultRow): Promise<void> {
  await shell.print(`${kindNames[kind!] ?? 'Relation'} "${schema}.${name}"\n`);
  await shell.runStatement(columnsQuery(oid!));
  if (kind !== 'r') return;
  const indexes = await shell.ask(indexesQuery(oid!));
  if (indexes.length === 0) return;
  const lines = indexes.map(([index, isPrimary, isUnique, definition]) => {
    const role = isPrimary === 't' ? 'PRIMARY KEY, ' : isUnique === 't' ? 'UNIQUE, ' : '';
    return `    "${index}" ${role}${definition!.replace(/^.* USING /s, '')}\n`;
  });
  await shell.print(`Indexes:\n${lines.join('')}\n`);
}

async function toggleExpanded(shell: Shell): Promise<void> {
  const format = shell.style.format === 'expanded' ? 'aligned' : 'expanded';
  shell.style = { ...shell.style, format };
  await shell.print(`Expanded display is ${format === 'expanded' ? 'on' : 'off'}.\n`);
}

async function toggleBare(shell: Shell): Promise<void> {
  shell.style = { ...shell.style, isBare: !shell.style.isBare };
  await shell.print(`Tuples only is ${shell.style.isBare ? 'on' : 'off'}.\n`);
}

async function setFormat(shell: Shell, argument: string): Promise<void> {
  const format = tableFormats.find((name) => name === argument);
  if (format === undefined) {
    throw new AlopexError('invalid_parameter_value', `\\format takes one of ${tableFormats.join(', ')}`);
  }
  shell.style = { ...shell.style, format };
}

async function toggleTiming(shell: Shell, argument: string): Promise<void> {
  shell.showsTiming = argument === '' ? !shell.showsTiming : argument === 'on';
  await shell.print(`Timing is ${shell.showsTiming ? 'on' : 'off'}.\n`);
}

async function copy(shell: Shell, argument: string): Promise<void> {
  const { sql, path, direction } = parseCopy(argument);
  if (direction === 'from') await shell.runStatement(sql, copyFrom(path));
  else await shell.runStatement(sql, copyTo(path));
}

async function connectionInfo(shell: Shell): Promise<void> {
  const { database, user, place } = shell.connection;
  await shell.print(`Database "${database}" as user "${user}" at ${place}.\n`);
}
