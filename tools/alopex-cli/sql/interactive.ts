import { appendFileSync, chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { commands } from './backslash.ts';
import { namesQuery } from './catalog-queries.ts';
import { type CatalogNames, catalogNames, completions, noNames } from './completion.ts';
import { interrupted, type Lines } from './lines.ts';
import type { Shell } from './shell.ts';

/** Lines that the history file keeps. */
const historyLinesMax = 1000;

type Typed = string | null | typeof interrupted;

/** Lines typed at a terminal, with history and completion. Ctrl-C cancels what runs, or forgets what is typed. */
export function interactiveLines(shell: Shell, historyPath: string): Lines {
  const names = new ShellNames(shell);
  const reader = createInterface({
    input: process.stdin,
    output: process.stdout,
    history: readHistory(historyPath),
    historySize: historyLinesMax,
    removeHistoryDuplicates: true,
    completer: (line: string, callback: (error: null, result: [string[], string]) => void) => {
      void names.load().then((known) => {
        const { word, candidates } = completions(`${shell.buffered}\n${line}`, known, Object.keys(commands));
        callback(null, [[...candidates], word]);
      });
    },
  });
  const typed: Typed[] = [];
  let waiting: ((line: Typed) => void) | null = null;
  const give = (line: Typed): void => {
    if (waiting === null) typed.push(line);
    else {
      const resolve = waiting;
      waiting = null;
      resolve(line);
    }
  };
  reader.on('line', (line) => {
    appendHistory(historyPath, line);
    give(line);
  });
  reader.on('SIGINT', () => {
    if (shell.isRunning && waiting === null) {
      shell.connection.cancel();
      return;
    }
    process.stdout.write('^C\n');
    reader.write(null, { ctrl: true, name: 'e' });
    reader.write(null, { ctrl: true, name: 'u' });
    give(interrupted);
  });
  reader.on('close', () => give(null));
  return {
    read(prompt) {
      const next = typed.shift();
      if (next !== undefined) return Promise.resolve(next);
      reader.setPrompt(prompt);
      reader.prompt();
      return new Promise((resolve) => {
        waiting = resolve;
      });
    },
    close: () => reader.close(),
  };
}

/** The catalog's names, read at the first Tab and again after DDL. */
class ShellNames {
  readonly #shell: Shell;
  #names: CatalogNames | null = null;

  constructor(shell: Shell) {
    this.#shell = shell;
    shell.onComplete = (tag) => {
      if (/^(CREATE|ALTER|DROP|ROLLBACK|SET|RESET)/.test(tag)) this.#names = null;
    };
  }

  /** None while a statement runs or the transaction has failed: there is nobody to ask. */
  async load(): Promise<CatalogNames> {
    if (this.#names !== null) return this.#names;
    if (this.#shell.isRunning || this.#shell.connection.status === 'failed') return noNames;
    try {
      this.#names = catalogNames(await this.#shell.ask(namesQuery));
    } catch {
      return noNames;
    }
    return this.#names;
  }
}

/** Newest first, as readline has it; the file has them as they came, and is cut when it has grown. */
function readHistory(path: string): string[] {
  let lines: string[];
  try {
    lines = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
  const kept = lines.slice(-historyLinesMax);
  if (kept.length < lines.length / 2) writeHistory(path, kept);
  return kept.reverse();
}

function writeHistory(path: string, lines: readonly string[]): void {
  try {
    writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
    chmodSync(path, 0o600);
  } catch {
    // A history that cannot be kept is no reason to stop the shell.
  }
}

/** Lines with a password are not kept, nor those that start with a blank. */
function appendHistory(path: string, line: string): void {
  if (line.trim() === '' || line.startsWith(' ') || /password/i.test(line)) return;
  try {
    appendFileSync(path, `${line}\n`, { mode: 0o600 });
  } catch {
    // As above.
  }
}
