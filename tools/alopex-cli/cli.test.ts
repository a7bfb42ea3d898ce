import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('alopex-cli', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'alopex-cli-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const cli = (parameters: readonly string[], input = '') =>
    spawnSync(process.execPath, ['bin/alopex-cli.js', ...parameters], { cwd: root, input, encoding: 'utf8' });
  const sql = (input: string, ...parameters: readonly string[]) =>
    cli(['sql', '--data', join(directory, 'db'), ...parameters], input);

  it('script_with_copy_data_and_commands_runs_to_its_end', () => {
    const { stdout, stderr, status } = sql(
      "CREATE TABLE t (id int PRIMARY KEY, name text);\nCOPY t FROM stdin;\n1\tone\n2\t\\N\n\\.\n\\dt\nSELECT *\n FROM t;\nCHECKPOINT; UPDATE t SET name = 'uno' WHERE id = 1",
    );
    expect(stderr).to.equal(
      `alopex-cli: there is no ${join(directory, 'db')}; it becomes a new, empty database\n`,
    );
    expect(stdout).to.equal(
      [
        'CREATE TABLE',
        'COPY 2',
        ' Schema | Name | Type  | Owner  ',
        '--------+------+-------+--------',
        ' public | t    | table | alopex',
        '(1 row)',
        '',
        ' id | name ',
        '----+------',
        '  1 | one',
        '  2 |',
        '(2 rows)',
        '',
        'CHECKPOINT',
        'UPDATE 1\n',
      ].join('\n'),
    );
    expect(status).to.equal(0);
  });

  it('first_error_ends_a_script_with_exit_code_1', () => {
    const { stdout, stderr, status } = sql('SELECT nope FROM t; SELECT 1;');
    expect(stderr).to.contain('ERROR:  42703').and.to.contain('       ^');
    expect(stdout).to.equal('');
    expect(status).to.equal(1);
  });

  it('keep_going_runs_the_rest', () => {
    const { stdout, status } = sql('', '--keep-going', '-t', '-c', 'BEGIN; SELECT nope; ROLLBACK; SELECT 7');
    expect(stdout).to.equal('BEGIN\nROLLBACK\n 7\n');
    expect(status).to.equal(1);
  });

  it('data_of_a_copy_that_failed_is_not_run', () => {
    const script = 'COPY t FROM stdin;\n3\tthree\nx\tx\nSELECT 8;\n\\.\nSELECT 9;\n';
    const { stdout, stderr, status } = sql(script, '--keep-going', '-t');
    expect(stdout).to.equal(' 9\n');
    expect(stderr).to.match(/^ERROR: {2}22P02: [^\n]*\n(?!ERROR)/);
    expect(status).to.equal(1);
  });

  it('dump_reads_events_by_the_schemas_of_the_log', () => {
    const { stdout, status } = cli(['dump', join(directory, 'db')]);
    expect(status).to.equal(0);
    expect(stdout).to.contain('c public.t key={"id":1} row={"id":1,"name":"one"}');
    expect(stdout).to.contain(
      'u public.t key={"id":1} row={"id":1,"name":"uno"} before={"id":1,"name":"one"}',
    );
    expect(stdout).to.match(/flush-point horizon=\d+/);
    expect(stdout).to.match(/mark: format 1/);
    expect(stdout).to.match(/manifest: covers the log below offset \d+/);
    expect(stdout).to.match(/@\d+ 1, "one"/);
  });

  it('dump_of_one_file_raw_shows_bytes', () => {
    const log = join(directory, 'db', 'log');
    const segment = readdirSync(log).find((name) => name.endsWith('.log'))!;
    expect(cli(['dump', '--raw', join(log, segment)]).stdout).to.contain('key=0x00');
    const refused = cli(['dump', join(root, 'package.json')]);
    expect(refused.stderr).to.contain('is no file of a database');
    expect(refused.status).to.equal(1);
  });

  it('dump_of_damaged_files_names_them_and_goes_on', () => {
    const copy = join(directory, 'damaged');
    cpSync(join(directory, 'db'), copy, { recursive: true });
    for (const folder of ['log', 'rows']) {
      for (const name of readdirSync(join(copy, folder))) {
        const path = join(copy, folder, name);
        const bytes = readFileSync(path);
        bytes.fill(0xa5, 100, Math.min(bytes.length, 200));
        bytes.fill(0xa5, bytes.length - 8);
        writeFileSync(path, bytes);
      }
    }
    const { stdout, stderr, status } = cli(['dump', copy]);
    expect(status).to.equal(1);
    expect(stderr).to.equal('');
    for (const problem of [
      /\.log\ndamage at byte \d+: CRC-32C/,
      /MANIFEST\ncannot go on: .* is corrupt/,
      /\.sst\ncannot go on: .* is corrupt/,
    ]) {
      expect(stdout).to.match(problem);
    }
  });

  for (const [words, said] of [
    ['replication enable --replicas 0', '22023: --replicas is "0", and must be a whole number above zero'],
    ['replication remove 3x', '22023: the node is "3x", and must be a whole number above zero'],
    ['cert show --data nowhere', '58P01: nowhere is not the data directory of a node of a cluster'],
  ] as const)
    it(`${words.split(' ').join('_')}_is_refused_in_a_line`, () => {
      const { stdout, stderr, status } = cli(words.split(' '));
      expect(stdout).to.equal('');
      expect(stderr.split('\n')[0]).to.equal(`alopex-cli: ${said}`);
      expect(stderr).not.to.contain('    at ');
      expect(status).to.equal(1);
    });
});
