import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const prompt = 'alopex=> ';
const waitMsMax = 15_000;

/** The shell at a pseudo-terminal, which `script` of util-linux makes: keys in, the screen's text out. */
class Terminal {
  readonly #child: ChildProcess;
  #text = '';
  #seen = 0;
  #wake: () => void = () => {};
  readonly exited: Promise<number | null>;

  constructor(data: string, history: string) {
    const command = `"${process.execPath}" bin/alopex-cli.js sql --data "${data}"`;
    this.#child = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: root,
      env: { ...process.env, ALOPEX_HISTORY: history, TERM: 'xterm', COLUMNS: '200' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdout!.on('data', (chunk: Buffer) => {
      this.#text += stripVTControlCharacters(chunk.toString('utf8')).replaceAll('\r', '');
      this.#wake();
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code) => {
        resolve(code);
        this.#wake();
      });
    });
  }

  /** What came since the last call, up to and with this text. */
  async until(expected: string): Promise<string> {
    const deadline = performance.now() + waitMsMax;
    for (;;) {
      const at = this.#text.indexOf(expected, this.#seen);
      if (at >= 0) {
        const came = this.#text.slice(this.#seen, at + expected.length);
        this.#seen = at + expected.length;
        return came;
      }
      if (this.#child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`"${expected}" did not come after: ${this.#text.slice(this.#seen)}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 100);
      });
    }
  }

  press(keys: string): void {
    this.#child.stdin!.write(keys);
  }

  /** A line, and what is printed before the next prompt. */
  async enter(line: string, nextPrompt = prompt): Promise<string> {
    this.press(`${line}\n`);
    await this.until(`${line}\n`);
    const answer = await this.until(nextPrompt);
    return answer.slice(0, -nextPrompt.length);
  }

  end(): void {
    this.#child.kill();
  }
}

const ctrlC = '\x03';
const ctrlD = '\x04';
const tab = '\t';
const up = '\x1b[A';
const hasScript = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0;

(hasScript ? describe : describe.skip)('the shell at a terminal', function () {
  this.timeout(60_000);
  let directory: string;
  let terminal: Terminal;
  const history = () => join(directory, 'history');

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'alopex-terminal-'));
    terminal = await start();
    await terminal.enter('CREATE TABLE person (id int PRIMARY KEY, name text);');
    await terminal.enter("INSERT INTO person VALUES (1, 'Ada'), (2, 'Grace');");
  });
  after(() => {
    terminal.end();
    rmSync(directory, { recursive: true, force: true });
  });

  async function start(): Promise<Terminal> {
    const started = new Terminal(join(directory, 'db'), history());
    await started.until(prompt);
    return started;
  }

  it('runs a statement of several lines', async () => {
    expect(await terminal.enter('SELECT name', 'alopex-> ')).to.equal('');
    const answer = await terminal.enter('FROM person WHERE id = 2;');
    expect(answer).to.equal(' name  \n-------\n Grace\n(1 row)\n\n');
  });

  it('shows that a transaction is open, or has failed', async () => {
    await terminal.enter('BEGIN;', 'alopex=*> ');
    expect(await terminal.enter('SELECT nope;', 'alopex=!> ')).to.match(/^ERROR: {2}42703/);
    await terminal.enter('ROLLBACK;');
  });

  it('describes, times, turns tables on their side, and runs files', async () => {
    expect(await terminal.enter('\\dt')).to.contain('person');
    expect(await terminal.enter('\\d person')).to.match(/id .*integer[\s\S]*PRIMARY KEY/);
    await terminal.enter('\\x');
    expect(await terminal.enter('SELECT * FROM person WHERE id = 1;')).to.match(/name +\| Ada/);
    await terminal.enter('\\x');
    await terminal.enter('\\timing on');
    expect(await terminal.enter('SELECT 1;')).to.match(/Time: \d+\.\d{3} ms/);
    await terminal.enter('\\timing off');
    writeFileSync(join(directory, 'file.sql'), "SELECT 'from the file';\n");
    expect(await terminal.enter(`\\i ${join(directory, 'file.sql')}`)).to.contain('from the file');
    await terminal.enter(`\\copy person to '${join(directory, 'people')}'`);
    expect(readFileSync(join(directory, 'people'), 'utf8')).to.equal('1\tAda\n2\tGrace\n');
  });

  it('completes names', async () => {
    terminal.press(`SELECT count(*) FROM per${tab}`);
    await terminal.until('FROM person');
    expect(await terminal.enter(' ;')).to.contain(' 2\n');
  });

  it('Ctrl-C forgets what is typed, and cancels what runs', async () => {
    await terminal.enter('SELECT', 'alopex-> ');
    terminal.press(`nonsense${ctrlC}`);
    await terminal.until('^C\n');
    await terminal.until(prompt);
    terminal.press('SELECT count(*) FROM generate_series(1, 1000000000);\n');
    await terminal.until('1000000000);\n');
    terminal.press(ctrlC);
    expect(await terminal.until(prompt)).to.contain('57014');
    expect(await terminal.enter('SELECT 42;')).to.contain('42');
  });

  it('Ctrl-D leaves; the next one has the history, without passwords', async () => {
    await terminal.enter("ALTER ROLE alopex PASSWORD 'secret';");
    await terminal.enter("SELECT 'last one';");
    terminal.press(ctrlD);
    expect(await terminal.exited).to.equal(0);
    expect(readFileSync(history(), 'utf8')).to.contain("SELECT 'last one';\n").and.not.to.contain('secret');
    terminal = await start();
    terminal.press(up);
    await terminal.until("SELECT 'last one';");
    terminal.press('\n');
    expect(await terminal.until(prompt)).to.contain('last one');
    terminal.press('\\q\n');
    expect(await terminal.exited).to.equal(0);
  });
});
