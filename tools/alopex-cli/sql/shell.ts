import { performance } from 'node:perf_hooks';
import { AlopexError, asAlopexError } from '../../../base/errors.ts';
import { runBackslash } from './backslash.ts';
import type { ResultColumn, ResultHandler, ResultRow, ShellConnection, ShellNotice } from './connection.ts';
import type { CopyFiles } from './copy-command.ts';
import { errorText } from './error-text.ts';
import { fileLines, interrupted, type Lines } from './lines.ts';
import type { Output } from './output.ts';
import { StatementBuffer } from './statement-buffer.ts';
import { type TableStyle, type TableWriter, tableWriter } from './table-text.ts';

export type ShellOptions = {
  readonly connection: ShellConnection;
  readonly output: Output;
  readonly errors: Output;
  readonly style: TableStyle;
  /** Ends at the first error; else goes on with the next statement. */
  readonly stopsOnError: boolean;
  /** Prints no command tags. */
  readonly isQuiet: boolean;
};

/** `\i` in a file of `\i`. */
const nestedFilesMax = 64;
/** Rows that the shell asks of the catalog for itself. */
const askedRowsMax = 1_000_000;

/** Reads lines, runs the statements that they make, and prints the answers. */
export class Shell {
  readonly connection: ShellConnection;
  style: TableStyle;
  showsTiming = false;
  /** A statement runs: Ctrl-C cancels it. */
  isRunning = false;
  hasFailed = false;
  /** Called with the tag of each statement that is done. */
  onComplete: (tag: string) => void = () => {};
  readonly #options: ShellOptions;
  readonly #buffer = new StatementBuffer();
  /** Innermost last: `\i` pushes the file's. */
  readonly #inputs: Lines[] = [];
  #isQuitting = false;

  constructor(options: ShellOptions) {
    this.#options = options;
    this.connection = options.connection;
    this.style = options.style;
    this.connection.onNotice = (notice) => void this.#options.errors.write(noticeText(notice));
  }

  get buffered(): string {
    return this.#buffer.text;
  }

  clearBuffer(): void {
    this.#buffer.take();
  }

  quit(): void {
    this.#isQuitting = true;
  }

  print(text: string): Promise<void> {
    return this.#options.output.write(text);
  }

  /** Runs all lines; a last statement needs no semicolon. */
  async runLines(lines: Lines): Promise<void> {
    this.#inputs.push(lines);
    try {
      while (!this.#isDone) {
        const line = await lines.read(this.#prompt());
        if (line === null) break;
        if (line === interrupted) this.clearBuffer();
        else await this.#guarded(line, () => this.#runLine(line));
      }
      if (!this.#isDone && !this.#buffer.isEmpty) await this.#guarded(this.buffered, () => this.runBuffer());
    } finally {
      this.#inputs.pop();
      lines.close();
    }
  }

  get #isDone(): boolean {
    return this.#isQuitting || (this.hasFailed && this.#options.stopsOnError);
  }

  /** `alopex=>`, with a sign for an open transaction (`*`), a failed one (`!`) and a statement that goes on (`-`). */
  #prompt(): string {
    const { database, status } = this.connection;
    const sign = status === 'transaction' ? '*' : status === 'failed' ? '!' : '';
    return `${database}${this.#buffer.isEmpty ? '=' : '-'}${sign}> `;
  }

  async #runLine(line: string): Promise<void> {
    if (line.trimStart().startsWith('\\')) {
      await runBackslash(this, line.trimStart());
      return;
    }
    for (const statement of this.#buffer.add(line)) {
      await this.#guarded(statement, () => this.runStatement(statement));
      if (this.#isDone) return;
    }
  }

  async #guarded(source: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      this.hasFailed = true;
      await this.#options.errors.write(errorText(asAlopexError(thrown), source));
    }
  }

  async runBuffer(): Promise<void> {
    const text = this.#buffer.take();
    if (text.trim() !== '') await this.#guarded(text, () => this.runStatement(text));
  }

  async runFile(path: string): Promise<void> {
    if (this.#inputs.length >= nestedFilesMax) {
      throw new AlopexError('statement_too_complex', `\\i: files include each other ${nestedFilesMax} deep`);
    }
    await this.runLines(await fileLines(path));
  }

  /** Runs a statement and prints what it answers. `files`: in place of the shell's input and output, for COPY. */
  async runStatement(sql: string, files?: CopyFiles): Promise<void> {
    const startedMs = performance.now();
    this.isRunning = true;
    try {
      await this.connection.run(sql, this.#printing(files));
    } finally {
      this.isRunning = false;
      await files?.close();
    }
    if (this.showsTiming) await this.print(`Time: ${(performance.now() - startedMs).toFixed(3)} ms\n`);
  }

  #printing(files: CopyFiles | undefined): ResultHandler {
    let table: TableWriter | null = null;
    /** The rows stand where the tag would. */
    let isCopyOut = false;
    return {
      columns: (columns: readonly ResultColumn[]) => {
        table = tableWriter(columns, this.style);
      },
      rows: async (rows) => this.print(table!.rows(rows)),
      complete: async (tag) => {
        if (table !== null) await this.print(table.end());
        const isPlainRead = table !== null && /^(SELECT|SHOW|EXPLAIN)/.test(tag);
        if (!this.#options.isQuiet && !isPlainRead && !isCopyOut) await this.print(`${tag}\n`);
        table = null;
        isCopyOut = false;
        this.onComplete(tag);
      },
      copyOut:
        files?.copyOut ??
        ((chunk) => {
          isCopyOut = true;
          return this.#options.output.write(chunk);
        }),
      copyIn: files?.copyIn ?? (() => this.#copyLines()),
    };
  }

  /** COPY FROM STDIN: the lines after the statement, to `\.` alone on a line. */
  async *#copyLines(): AsyncIterable<Uint8Array> {
    const lines = this.#inputs.at(-1);
    if (lines === undefined) return;
    const encoder = new TextEncoder();
    for (;;) {
      const line = await lines.read('>> ');
      if (line === interrupted)
        throw new AlopexError('query_canceled', 'COPY from stdin failed: interrupted');
      if (line === null || line === '\\.') return;
      yield encoder.encode(`${line}\n`);
    }
  }

  /** Rows for the shell itself. */
  async ask(sql: string): Promise<readonly ResultRow[]> {
    const asked: ResultRow[] = [];
    await this.connection.run(sql, {
      columns: () => {},
      rows: async (rows) => {
        if (asked.length + rows.length > askedRowsMax) {
          throw new AlopexError('program_limit_exceeded', `the catalog has more than ${askedRowsMax} rows`);
        }
        asked.push(...rows);
      },
      complete: async () => {},
      copyOut: async () => {},
      copyIn: async function* () {},
    });
    return asked;
  }
}

function noticeText({ severity, message, detail, hint }: ShellNotice): string {
  const more = [detail === null ? '' : `DETAIL:  ${detail}\n`, hint === null ? '' : `HINT:  ${hint}\n`];
  return `${severity}:  ${message}\n${more.join('')}`;
}
