import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { AlopexError } from '../../../base/errors.ts';
import { packageVersion } from '../../version.ts';
import { openEmbedded } from './embedded-connection.ts';
import { interactiveLines } from './interactive.ts';
import { streamLines } from './lines.ts';
import { streamOutput } from './output.ts';
import { openServer } from './server-connection.ts';
import { Shell } from './shell.ts';
import { type TableFormat, tableFormats } from './table-text.ts';

export type SqlOptions = {
  readonly data: string;
  /** A server's, in place of the directory. */
  readonly url?: string;
  readonly command?: readonly string[];
  readonly file?: readonly string[];
  readonly format: string;
  readonly tuplesOnly?: boolean;
  readonly quiet?: boolean;
  readonly keepGoing?: boolean;
};

/** `alopex-cli sql`: the exit code. */
export async function runSql(options: SqlOptions): Promise<number> {
  const format = checkedFormat(options.format);
  if (options.url === undefined && options.quiet !== true && !existsSync(options.data)) {
    process.stderr.write(`alopex-cli: there is no ${options.data}; it becomes a new, empty database\n`);
  }
  const connection =
    options.url === undefined ? await openEmbedded(options.data) : await openServer(options.url);
  try {
    const isScript = options.command !== undefined || options.file !== undefined;
    const isInteractive = !isScript && process.stdin.isTTY === true;
    const shell = new Shell({
      connection,
      output: streamOutput(process.stdout),
      errors: streamOutput(process.stderr),
      style: { format, isBare: options.tuplesOnly === true },
      stopsOnError: !isInteractive && options.keepGoing !== true,
      isQuiet: options.quiet === true || format === 'csv' || format === 'json',
    });
    if (isScript) await runScripts(shell, options);
    else if (isInteractive) await runInteractive(shell);
    else await shell.runLines(streamLines(process.stdin));
    return shell.hasFailed && !isInteractive ? 1 : 0;
  } finally {
    await connection.close();
  }
}

/** Commands first, then files. */
async function runScripts(shell: Shell, { command = [], file = [], keepGoing }: SqlOptions): Promise<void> {
  process.once('SIGINT', () => shell.connection.cancel());
  const goesOn = (): boolean => !shell.hasFailed || keepGoing === true;
  for (const text of command) {
    if (!goesOn()) return;
    await shell.runLines(textLines(text));
  }
  for (const path of file) {
    if (!goesOn()) return;
    if (path === '-') await shell.runLines(streamLines(process.stdin));
    else await shell.runFile(path);
  }
}

function textLines(text: string) {
  const lines = text.split('\n');
  return { read: async () => lines.shift() ?? null, close: () => {} };
}

async function runInteractive(shell: Shell): Promise<void> {
  await shell.print(
    `alopex-cli ${packageVersion()}: database ${shell.connection.database} at ${shell.connection.place}.\n` +
      'Statements end with a semicolon; \\? lists commands, \\q ends.\n\n',
  );
  const historyPath = process.env.ALOPEX_HISTORY ?? join(homedir(), '.alopex_history');
  await shell.runLines(interactiveLines(shell, historyPath));
}

function checkedFormat(name: string): TableFormat {
  const format = tableFormats.find((one) => one === name);
  if (format !== undefined) return format;
  throw new AlopexError('invalid_parameter_value', `--format takes one of ${tableFormats.join(', ')}`);
}
