import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { OwnSession, PostgresSession, shown, statementsOf } from './differential.ts';

/**
 * The scripts of `sql/`, statement by statement, here and on PostgreSQL: the same rows, counts and SQLSTATEs. A
 * statement after `-- differs: …` must answer otherwise, and its reason stand in docs/sql.md.
 */
const folder = new URL('sql/', import.meta.url);
const documentation = readFileSync(new URL('../../docs/sql.md', import.meta.url), 'utf8');

describe('SQL against PostgreSQL', () => {
  let postgres: PostgresSession;

  before(async () => {
    postgres = await PostgresSession.open();
  });
  after(() => postgres.close());

  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()) {
    const statements = statementsOf(readFileSync(new URL(file, folder), 'utf8'));
    it(`${file}: ${statements.length} statements`, async function () {
      this.timeout(60_000);
      await postgres.reset();
      const own = await OwnSession.open();
      const found: string[] = [];
      const expected: string[] = [];
      try {
        for (const { text, line, difference } of statements) {
          const theirs = shown(await postgres.answer(text), text);
          const ours = shown(await own.answer(text), text);
          const place = `${file}:${line} ${text}\n    `;
          if (difference === null) {
            if (ours === theirs) continue;
            found.push(place + ours);
            expected.push(place + theirs);
          } else {
            expect(documentation, `docs/sql.md on ${place}`).to.include(difference);
            expect(ours, `${place} does not differ any more`).to.not.equal(theirs);
          }
        }
      } finally {
        await own.close();
      }
      expect(found.join('\n')).to.equal(expected.join('\n'));
    });
  }
});
