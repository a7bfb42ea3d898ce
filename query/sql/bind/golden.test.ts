import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { AlopexError } from '../../../base/errors.ts';
import { formatType } from '../../types/format-type.ts';
import { loadParser, parse } from '../parse.ts';
import { fixtureOptions } from './catalog.fixture.ts';
import type { BindOptions } from './environment.ts';
import { planText } from './plan-text.fixture.ts';
import { bindStatement } from './statement.ts';

const folder = join(import.meta.dirname, 'golden');
const isUpdating = process.env.UPDATE_GOLDEN === '1';

/** What binding a statement gives, as text: columns, parameter types and plan; or the whole error. */
function outcome(sql: string, options: BindOptions): string {
  try {
    const { plan, parameterTypes } = bindStatement(parse(sql)[0]!, options);
    const columns = plan.columns.map(
      ({ name, type, attribute }) =>
        `${name} ${formatType(type)}${attribute === 0 ? '' : ` (column ${attribute})`}`,
    );
    const parameters = parameterTypes.map((oid) => formatType({ oid, modifier: -1 }));
    return [
      `-> ${columns.join(', ') || 'nothing'}`,
      ...(parameters.length === 0 ? [] : [`$ ${parameters.join(', ')}`]),
      planText(plan),
    ].join('\n');
  } catch (error) {
    if (!(error instanceof AlopexError)) throw error;
    const { code, message, position, detail, hint } = error;
    return [
      `${code} at ${position ?? '-'}: ${message}`,
      ...(detail === undefined ? [] : [`DETAIL: ${detail}`]),
      ...(hint === undefined ? [] : [`HINT: ${hint}`]),
    ].join('\n');
  }
}

/**
 * Each file is a list of statements with what they bind to, `;` and an empty line between them. Run with
 * UPDATE_GOLDEN=1 to write what comes out now, and read the difference.
 */
describe('bind: golden plans', () => {
  let options: BindOptions;
  before(async () => {
    await loadParser();
    options = fixtureOptions();
  });
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.txt'))) {
    it(file, () => {
      const path = join(folder, file);
      const written = readFileSync(path, 'utf8');
      const statements = written.split('\n\n').filter((block) => block.trim() !== '');
      const actual = statements.map((block) => {
        const [sql = ''] = block.split(/;\s*(?:\n|$)/);
        return `${sql};\n${outcome(sql, options)}`;
      });
      const text = `${actual.join('\n\n')}\n`;
      if (isUpdating) writeFileSync(path, text);
      else expect(text).to.equal(written);
    });
  }
});
