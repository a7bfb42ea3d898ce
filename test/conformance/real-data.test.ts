import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openAsBlob } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { OwnSession, PostgresSession, shown } from './differential.ts';
import { change, definition, files, questions } from './real-data.ts';

const folder = process.env.ALOPEX_DATA_DIR;
const child = fileURLToPath(new URL('real-data-child.ts', import.meta.url));
const skipped = folder === undefined ? ' (skipped: ALOPEX_DATA_DIR names no folder)' : '';

(folder === undefined ? describe.skip : describe)(`real data${skipped}`, function () {
  this.timeout(120_000);
  let directory: string;
  let own: OwnSession;
  let postgres: PostgresSession;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'alopex-real-data-'));
    const loader = spawn(process.execPath, [child, directory, folder!], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await Promise.race([once(loader.stdout, 'data'), once(loader, 'exit')])) as [unknown];
    expect(String(said), 'the loader answers').to.equal('changed\n');
    loader.kill('SIGKILL');
    await once(loader, 'exit');
    own = await OwnSession.open(directory);
    postgres = await PostgresSession.open();
    await postgres.run(definition);
    for (const { table, file, options } of files) {
      await postgres.copy(
        `COPY ${table} FROM '/dev/blob' WITH ${options}`,
        await openAsBlob(join(folder!, file)),
      );
    }
    await postgres.run(change);
  });

  after(async () => {
    await postgres?.close();
    await own?.close();
    await rm(directory, { recursive: true, force: true });
  });

  for (const question of questions) {
    it(`after kill -9: ${question.replaceAll(/\s+/g, ' ').slice(0, 80)}`, async () => {
      const theirs = await postgres.answer(question);
      expect(theirs).to.have.property('rows');
      expect(shown(await own.answer(question), question)).to.equal(shown(theirs, question));
    });
  }
});
