import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Place } from './network.ts';

const program = fileURLToPath(new URL('../../bin/alopex-server.js', import.meta.url));
const startMsMax = 60_000;
const errorLevel = 50;

/** What a server said that nobody wants to hear: errors of its log, and whatever is on its standard error. */
export type Complaint = { readonly code: string | null; readonly text: string };

/** One life of a server, as a process of its own. */
export class ServerProcess {
  readonly #process: ChildProcess;
  readonly #complaints: Complaint[];
  readonly ended: Promise<number | null>;

  private constructor(process: ChildProcess, complaints: Complaint[]) {
    this.#process = process;
    this.#complaints = complaints;
    this.ended = once(process, 'exit').then(([code]) => code as number | null);
  }

  /** Resolves once it answers. Its complaints are added to those given. */
  static async start(
    { launcher }: Place,
    commandLine: readonly string[],
    environment: Readonly<Record<string, string>>,
    directory: string,
    complaints: Complaint[],
  ): Promise<ServerProcess> {
    const [command, ...words] = [...launcher, globalThis.process.execPath, program, ...commandLine];
    const child = spawn(command!, words, {
      cwd: directory,
      env: { ...globalThis.process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const server = new ServerProcess(child, complaints);
    const kill = (): void => void child.kill('SIGKILL');
    globalThis.process.once('exit', kill);
    void server.ended.then(() => globalThis.process.off('exit', kill));
    await server.#ready();
    return server;
  }

  #ready(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const said: string[] = [];
    const timer = setTimeout(() => {
      this.kill();
      reject(new Error(`the server is not ready after ${startMsMax} ms: ${said.join('\n')}`));
    }, startMsMax);
    const isReady = (line: string): boolean =>
      line.startsWith('Connect with:') || line.includes(' is a witness at ');
    createInterface({ input: this.#process.stdout! }).on('line', (line) => {
      if (said.length < 100) said.push(line);
      if (isReady(line)) resolve();
      const complaint = complaintOf(line);
      if (complaint !== null) this.#complaints.push(complaint);
    });
    createInterface({ input: this.#process.stderr! }).on('line', (line) => {
      if (said.length < 100) said.push(line);
      this.#complaints.push({ code: null, text: line });
    });
    void this.ended.then((code) => reject(new Error(`the server ended (${code}): ${said.join('\n')}`)));
    return promise.finally(() => clearTimeout(timer));
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.ended;
  }

  /** Null: it had to be killed. */
  async stop(): Promise<number | null> {
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), startMsMax);
    const code = await this.ended;
    clearTimeout(timer);
    return code;
  }

  pause(): void {
    this.#process.kill('SIGSTOP');
  }
  resume(): void {
    this.#process.kill('SIGCONT');
  }
}

function complaintOf(line: string): Complaint | null {
  if (!line.startsWith('{')) return null;
  const entry = JSON.parse(line) as { level: number; code?: string; msg?: string; detail?: string };
  if (entry.level < errorLevel) return null;
  return { code: entry.code ?? null, text: `${entry.msg ?? ''} ${entry.detail ?? ''}`.trim() };
}
