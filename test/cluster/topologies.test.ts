import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { program } from '../interop/programs.ts';
import { ownLoopback } from './network.ts';

const bin = fileURLToPath(new URL('../../bin/', import.meta.url));
const ports = [5432, 5433, 5434, 7432, 7433, 7434];
const readyMsMax = 30_000;

/** The commands of the page, as they are, in one directory. */
describe('the replicated topologies', () => {
  let directory = '';
  let psql = '';
  let network: ReturnType<typeof ownLoopback>;
  let running: Command[] = [];

  before(() => {
    psql = program('psql', 'postgresql-client');
    network = ownLoopback();
  });
  after(() => network.close());
  beforeEach(async () => {
    for (const port of network.launcher.length === 0 ? ports : [])
      if (await isTaken(port)) throw new Error(`port ${port} is taken, and the page's commands need it`);
    directory = await mkdtemp(join(tmpdir(), 'alopex-page-'));
    await mkdir(join(directory, 'bin'));
    for (const name of ['alopex-server', 'alopex-cli'])
      await symlink(join(bin, `${name}.js`), join(directory, 'bin', name));
  });
  afterEach(async () => {
    await Promise.all(running.map((command) => command.kill()));
    running = [];
    await rm(directory, { recursive: true, force: true });
  });

  const environment = (): NodeJS.ProcessEnv => ({
    ...process.env,
    PATH: `${join(directory, 'bin')}:${process.env.PATH}`,
  });
  /** Until it is ready to be connected to. */
  async function serve(line: string): Promise<void> {
    const command = new Command([...network.launcher, ...line.split(' ')], directory, environment());
    running.push(command);
    await command.ready();
  }
  async function run(line: string): Promise<string> {
    return answer(line.split(' '), environment());
  }
  async function sql(port: number, script: string): Promise<string> {
    const words = ['-X', '-v', 'ON_ERROR_STOP=1', '-At', '-h', 'localhost', '-p', `${port}`, '-d', 'alopex'];
    return (await answer([psql, ...words, '-c', script], { ...environment(), PGUSER: 'alopex' })).trim();
  }
  async function answer(words: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
    const [command, ...rest] = [...network.launcher, ...words];
    return (await promisify(execFile)(command!, rest, { cwd: directory, env })).stdout;
  }

  it('replicated mode', async () => {
    await serve('alopex-server --mode primary --port 5432 --data ./primary');
    await serve('alopex-server --mode replica --primary localhost:5432 --port 5433');
    await serve('alopex-server --mode replica --primary localhost:5432 --port 5434');
    // They vote once they have caught up.
    await eventually(
      () => run('alopex-cli replication status'),
      /1 \| primary[\s\S]*2 \| replica[\s\S]*3 \| replica/,
    );
    await sql(5432, 'CREATE TABLE products (id SERIAL PRIMARY KEY, name TEXT, embedding VECTOR(1536))');
    await sql(5432, "INSERT INTO products (id, name) VALUES (123, 'teapot')");
    const read = "SET alopex.read_from = 'replica';\nSELECT * FROM products WHERE id = 123;";
    for (const port of [5432, 5433, 5434]) await eventually(async () => sql(port, read), /123\|teapot/);
    await sql(5434, "INSERT INTO products (name) VALUES ('New Product');");
    await eventually(() => sql(5432, 'SELECT count(*) FROM products'), /^2$/);
  });

  it('single-node to replicated', async () => {
    await serve('alopex-server --port 5432 --data ./data');
    await sql(5432, "CREATE TABLE products (id int, name text); INSERT INTO products VALUES (1, 'before')");
    await serve('alopex-server --mode replica --primary localhost:5432 --port 5433');
    // The page shows one of its two replicas.
    await serve('alopex-server --mode replica --primary localhost:5432 --port 5434');
    const enabled = await run('alopex-cli replication enable --replicas 2');
    expect(enabled).to.equal('2 replicas vote now.\n');
    expect(await run('alopex-cli replication status')).to.match(/failover: automatic/);
    await eventually(() => sql(5433, 'SELECT name FROM products'), /^before$/);
  });
});

/** A replica may be a moment behind. */
async function eventually(ask: () => Promise<string>, expected: RegExp): Promise<void> {
  const untilMs = performance.now() + readyMsMax;
  for (;;) {
    const answer = await ask().catch((error: Error) => error.message);
    if (expected.test(answer)) return;
    if (performance.now() > untilMs) throw new Error(`${expected} is not what is answered: ${answer}`);
  }
}

/** A server as a person starts it, in a shell. */
class Command {
  readonly #child;
  readonly #line: string;

  constructor(words: readonly string[], cwd: string, env: NodeJS.ProcessEnv) {
    this.#line = words.join(' ');
    const [name, ...rest] = words;
    this.#child = spawn(name!, rest, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  ready(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let said = '';
    const timer = setTimeout(() => reject(new Error(`${this.#line} is not ready: ${said}`)), readyMsMax);
    for (const stream of [this.#child.stdout, this.#child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        said += `${line}\n`;
        if (line.startsWith('Connect with:')) resolve();
      });
    this.#child.once('exit', (code) => reject(new Error(`${this.#line} ended with ${code}: ${said}`)));
    return promise.finally(() => clearTimeout(timer));
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
