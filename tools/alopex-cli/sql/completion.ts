import { keywordOf, type Token, tokenize } from '../../../query/sql/lexer.ts';
import type { ResultRow } from './connection.ts';

export type CatalogNames = {
  /** By name as it is written in a statement: `orders`, `sales.orders`; with the names of its columns. */
  readonly relations: ReadonlyMap<string, readonly string[]>;
};

export const noNames: CatalogNames = { relations: new Map() };

export type Completions = { readonly word: string; readonly candidates: readonly string[] };

const keywords =
  `ABORT ADD ALL ALTER ALWAYS ANALYZE AND AS ASC BEGIN BETWEEN BIGINT BIGSERIAL BOOLEAN BY BYTEA CASCADE CASE CAST
  CHAR CHECKPOINT COLUMN COMMENT COMMIT CONCURRENTLY CONFLICT CONSTRAINT COPY CREATE CROSS CURRENT_DATE
  CURRENT_TIMESTAMP DATE DEFAULT DELETE DESC DISTINCT DO DOUBLE DROP ELSE END EXCEPT EXISTS EXPLAIN FALSE FETCH FOR
  FROM FULL GENERATED GROUP HAVING IDENTITY IF ILIKE IN INDEX INNER INSERT INTEGER INTERSECT INTERVAL INTO IS
  ISOLATION JOIN JSONB KEY LEFT LEVEL LIKE LIMIT NOT NOTHING NULL NULLS NUMERIC OF OFFSET ON OR ORDER OUTER PRECISION
  PREPARE PRIMARY READ REFERENCES RELEASE RENAME REPEATABLE RESET RESTRICT RETURNING RIGHT ROLE ROLLBACK ROW ROWS
  SAVEPOINT SCHEMA SELECT SEQUENCE SERIAL SERIALIZABLE SET SHOW SMALLINT START SYSTEM_TIME TABLE TEXT THEN TIMESTAMP
  TIMESTAMPTZ TO TRANSACTION TRUE TRUNCATE UNION UNIQUE UPDATE USING UUID VACUUM VALUES VARCHAR VECTOR VIEW WHEN
  WHERE WITH`.split(/\s+/);

/** Words after which a relation is named. */
const beforeRelation = new Set(['from', 'join', 'into', 'update', 'table', 'truncate', 'copy', 'on']);

/** Rows of `namesQuery`. */
export function catalogNames(rows: readonly ResultRow[]): CatalogNames {
  const relations = new Map<string, string[]>();
  for (const [schema, relation, , column, isVisible] of rows) {
    const qualified = `${quoted(schema!)}.${quoted(relation!)}`;
    const names = isVisible === 't' ? [qualified, quoted(relation!)] : [qualified];
    for (const name of names) {
      const columns = relations.get(name) ?? [];
      if (typeof column === 'string') columns.push(quoted(column));
      relations.set(name, columns);
    }
  }
  return { relations };
}

function quoted(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** What the last word of a text may go on to. The text is the statement so far. */
export function completions(text: string, names: CatalogNames, backslashes: readonly string[]): Completions {
  const line = text.slice(text.lastIndexOf('\n') + 1);
  const command = /^\s*\\(\w*)$/.exec(line);
  if (command !== null) {
    const word = `\\${command[1]}`;
    return {
      word,
      candidates: startingWith(
        word,
        backslashes.map((name) => `\\${name}`),
      ),
    };
  }
  const word = /[\w$."]*$/.exec(text)![0];
  const before = text.slice(0, text.length - word.length);
  const tokens = tokenize(before);
  const isRelation = /^\s*\\d/.test(line) || beforeRelation.has(keywordOf(before, tokens.at(-1)));
  if (isRelation) return { word, candidates: relationCandidates(word, names) };
  return { word, candidates: expressionCandidates(word, text, names) };
}

/** Names of the system's schemas only once one of them is typed. */
function relationCandidates(word: string, { relations }: CatalogNames): readonly string[] {
  const all = [...relations.keys()];
  return startingWith(word, word.includes('.') ? all : all.filter((name) => !name.includes('.')));
}

function expressionCandidates(word: string, text: string, { relations }: CatalogNames): readonly string[] {
  const tokens = tokenize(text);
  const used = usedRelations(text, tokens, relations);
  const point = word.lastIndexOf('.');
  if (point !== -1) {
    const qualifier = word.slice(0, point);
    const columns = used.get(qualifier) ?? relations.get(qualifier) ?? [];
    return startingWith(
      word,
      columns.map((column) => `${qualifier}.${column}`),
    );
  }
  const columns = [...used.values()].flat();
  const cased =
    word !== '' && word === word.toUpperCase() ? keywords : keywords.map((keyword) => keyword.toLowerCase());
  return startingWith(word, [...new Set([...columns, ...used.keys(), ...cased])]);
}

/** Relations of the statement by the names that stand for them: their own, and their aliases. */
function usedRelations(
  text: string,
  tokens: readonly Token[],
  relations: CatalogNames['relations'],
): ReadonlyMap<string, readonly string[]> {
  const used = new Map<string, readonly string[]>();
  for (const [at, token] of tokens.entries()) {
    const columns = relations.get(keywordOf(text, token));
    if (columns === undefined) continue;
    used.set(keywordOf(text, token), columns);
    const next = keywordOf(text, tokens[at + 1]) === 'as' ? tokens[at + 2] : tokens[at + 1];
    const alias = keywordOf(text, next);
    if (next?.kind === 'word' && !keywords.includes(alias.toUpperCase())) used.set(alias, columns);
  }
  return used;
}

function startingWith(word: string, candidates: readonly string[]): readonly string[] {
  const lower = word.toLowerCase();
  return candidates.filter((candidate) => candidate.toLowerCase().startsWith(lower)).sort();
}
