import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { AlopexError } from '../../base/errors.ts';
import { catalogLookups } from '../../query/catalog/lookups.ts';
import { Script } from '../../query/catalog/test-kit/script.ts';
import { virtualRelation } from '../../query/catalog/virtual-relations.ts';
import { bindStatement } from '../../query/sql/bind/statement.ts';
import { type ParsedStatement, parse } from '../../query/sql/parse.ts';
import type { FunctionContext } from '../../query/types/function.ts';

const folder = new URL('psql/', import.meta.url);

const definition = `
  CREATE TABLE t (id serial PRIMARY KEY, name text NOT NULL DEFAULT 'x', c varchar(10) UNIQUE);
  CREATE INDEX ON t (name DESC, c); CREATE SEQUENCE s; COMMENT ON TABLE t IS 'hello'`;

/** The error that binding ends in, or null. */
function bindError(script: Script, statement: ParsedStatement): AlopexError | null {
  const lookups = catalogLookups(script.catalog, ['public']);
  try {
    bindStatement(statement, {
      catalog: script.catalog,
      searchPath: ['public'],
      functionContext: { catalog: lookups, searchPath: ['public'] } as unknown as FunctionContext,
      parameterTypes: [],
      virtualRelation,
    });
    return null;
  } catch (error) {
    if (error instanceof AlopexError) return error;
    throw error;
  }
}

describe('statements that psql sends', () => {
  it('the corpus has the oids of the relations', async () => {
    const { catalog } = await Script.open(definition);
    const oids = ['t', 't_pkey', 's'].map((name) => catalog.relation(2200, name)?.id);
    expect(oids).to.deep.equal([16384, 16387, 16393]);
  });

  for (const file of readdirSync(folder)) {
    if (!file.endsWith('.sql')) continue;
    it(`${file} names only relations and columns that exist`, async () => {
      const script = await Script.open(definition);
      for (const statement of parse(readFileSync(new URL(file, folder), 'utf8'))) {
        const error = bindError(script, statement);
        expect(error?.condition, `${error?.message} in ${statement.source}`).to.not.be.oneOf([
          'undefined_table',
          'undefined_column',
          'ambiguous_column',
          'syntax_error',
        ]);
      }
    });
  }
});
