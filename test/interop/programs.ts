import { type ExecFileException, execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Where Debian puts what it does not put on the path. */
const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/lib/postgresql/15/bin'];

/** The path of a program, which is installed from Debian's package where it is missing. Throws where it cannot be had. */
export function program(name: string, debianPackage: string): string {
  const found = find(name);
  if (found !== undefined) return found;
  const quiet = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
  execFileSync('apt-get', ['update', '-qq'], quiet);
  execFileSync('apt-get', ['install', '-y', '-qq', debianPackage], quiet);
  const installed = find(name);
  if (installed === undefined) throw new Error(`${debianPackage} was installed, and there is no ${name}`);
  return installed;
}

function find(name: string): string | undefined {
  return folders.map((folder) => `${folder}/${name}`).find((path) => existsSync(path));
}

export type Outcome = { readonly exitCode: number; readonly output: string; readonly errors: string };

/** Runs a PostgreSQL client against a port of this machine, with `input` on its standard input. */
export function runClient(
  path: string,
  port: number,
  commandLine: readonly string[],
  options: { readonly input?: string; readonly environment?: Readonly<Record<string, string>> } = {},
): Promise<Outcome> {
  const env = {
    ...process.env,
    PGHOST: '127.0.0.1',
    PGPORT: String(port),
    PGUSER: 'alopex',
    PGDATABASE: 'alopex',
    PGCONNECT_TIMEOUT: '10',
    ...options.environment,
  };
  return new Promise((resolve) => {
    const child = execFile(
      path,
      commandLine,
      { env, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 },
      (error: ExecFileException | null, output: string, errors: string) => {
        const exitCode = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
        resolve({ exitCode, output, errors });
      },
    );
    child.stdin?.end(options.input ?? '');
  });
}
