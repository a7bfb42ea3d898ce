import { AlopexError } from '../../../base/errors.ts';
import { deparseExpression } from '../../sql/deparse.ts';
import { loadParser, parse } from '../../sql/parse.ts';
import { formatType } from '../../types/format-type.ts';
import type { DdlContext, DdlEffect, DdlNotice } from '../ddl/context.ts';
import { executeDdl } from '../ddl/execute.ts';
import type { CatalogSnapshot, RelationDefinition } from '../definition.ts';
import { indexDefinitionText, namespaceName } from '../definition-text.ts';
import { applyChanges, emptyCatalog } from '../snapshot.ts';

/** A catalog that DDL statements change one after the other, and what came of the last of them. */
export class Script {
  catalog: CatalogSnapshot = emptyCatalog();
  user = 'alopex';
  searchPath: readonly string[] = ['$user', 'public'];
  effects: readonly DdlEffect[] = [];
  notices: readonly DdlNotice[] = [];
  tag = '';

  static async open(text = ''): Promise<Script> {
    await loadParser();
    const script = new Script();
    script.run(text);
    return script;
  }

  run(text: string): this {
    for (const statement of parse(text)) {
      const result = executeDdl(statement.node, this.#context());
      this.catalog = applyChanges(this.catalog, result.changes);
      this.effects = result.effects;
      this.notices = result.notices;
      this.tag = result.tag;
    }
    return this;
  }

  /** `code message` of the error that a statement ends in. */
  error(text: string): string {
    try {
      this.run(text);
    } catch (error) {
      if (error instanceof AlopexError) return `${error.code} ${error.message}`;
      throw error;
    }
    return 'no error';
  }

  #context(): DdlContext {
    return {
      catalog: this.catalog,
      searchPath: this.searchPath,
      user: this.user,
      passwordVerifier: (password) => `verifier of ${password}`,
      bindDefault: (expression, type) => {
        const text = deparseExpression(expression, type);
        return { text, isVolatile: /random|nextval/.test(text), evaluate: () => `value of ${text}` };
      },
    };
  }

  table(name: string): RelationDefinition {
    for (const object of this.catalog.all()) {
      if (object.kind === 'table' && object.name === name) return object;
    }
    throw new TypeError(`no table ${name}`);
  }

  /** Tables, indexes and sequences that users made, a line each. */
  dump(): string {
    const lines: string[] = [];
    for (const object of this.catalog.all()) {
      if (object.kind === 'table' && object.namespace !== 13001)
        lines.push(...tableLines(this.catalog, object));
      if (object.kind === 'sequence') {
        const { minimum, maximum, start, increment } = object;
        const schema = namespaceName(this.catalog, object.namespace);
        lines.push(`sequence ${schema}.${object.name} ${minimum}..${maximum} from ${start} by ${increment}`);
      }
    }
    return lines.join('\n');
  }
}

function tableLines(catalog: CatalogSnapshot, table: RelationDefinition): string[] {
  const key = table.layout.key.map((column) => table.columns[column.column - 1]!.name || 'row id');
  const lines = [`table ${namespaceName(catalog, table.namespace)}.${table.name} by ${key.join(', ')}`];
  if (table.primaryKey !== null) lines.push(`  primary key ${table.primaryKey.name}`);
  for (const column of table.columns) {
    if (column.isHidden || column.isDropped) continue;
    const missing = table.layout.columns.find((each) => each.id === column.attribute)?.missing ?? null;
    lines.push(
      [
        `  ${column.attribute} ${column.name} ${formatType(column.type)}`,
        column.notNull ? 'not null' : '',
        column.defaultText === null ? '' : `default ${column.defaultText}`,
        column.identity === null ? '' : `identity ${column.identity}`,
        missing === null ? '' : `missing ${String(missing)}`,
      ]
        .filter((part) => part !== '')
        .join(' '),
    );
  }
  for (const index of catalog.indexesOf(table.id)) {
    const state = table.layout.indexes.find((each) => each.id === index.id)?.state;
    lines.push(`  ${indexDefinitionText(catalog, index.id)} ${state}`);
  }
  return lines;
}
