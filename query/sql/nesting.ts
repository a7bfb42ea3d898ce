import { keywordOf, type Token } from './lexer.ts';

const endsExpression = new Set([
  ',',
  'or',
  'when',
  'then',
  'else',
  'select',
  'from',
  'where',
  'on',
  'values',
]);
const chains = new Set([
  ...['not', 'is', 'isnull', 'notnull', 'in', 'like', 'ilike', 'similar', 'between', 'collate', 'at'],
  ...['overlaps', 'operator'],
]);
const leftDeep = new Set(['union', 'intersect', 'except', 'join']);

type Level = {
  readonly opener: 'text' | 'bracket' | 'case';
  /** Operators since the last place where an expression must have ended: they may form one deep chain. */
  operators: number;
  /** Set operations and joins of this level: they form left-deep trees through all of its lists. */
  tables: number;
  /** BETWEENs whose AND is still to come: that AND ends no expression. */
  betweens: number;
};

/**
 * An upper bound of how deep the parse tree is, from the tokens alone: brackets and CASEs that are open, and the
 * chains of operators within each. Lists, and chains of AND or OR, are flat in PostgreSQL's tree.
 */
export function nestingBound(
  text: string,
  tokens: readonly Token[],
): { depth: number; deepest: Token | null } {
  let levels: Level[] = [newLevel('text')];
  let depthBelow = 0;
  let depth = 0;
  let deepest: Token | null = null;
  const weight = (level: Level): number => 1 + level.operators + level.tables;
  const close = (): void => {
    levels.pop();
    const outer = levels.at(-1);
    if (outer !== undefined) depthBelow -= weight(outer);
  };
  for (const token of tokens) {
    const level = levels.at(-1)!;
    const word = keywordOf(text, token);
    if (token.kind === 'operator' || word === '::' || chains.has(word)) {
      level.operators += 1;
      if (word === 'between') level.betweens += 1;
    } else if (leftDeep.has(word)) {
      level.operators = 0;
      level.tables += 1;
    } else if (word === 'and' && level.betweens > 0) level.betweens -= 1;
    else if (word === 'and' || endsExpression.has(word)) level.operators = 0;
    else if (word === '(' || word === '[' || word === 'case') {
      depthBelow += weight(level);
      levels.push(newLevel(word === 'case' ? 'case' : 'bracket'));
    } else if (word === 'end' && level.opener === 'case') close();
    else if (word === ')' || word === ']') {
      while (levels.at(-1)!.opener === 'case') close();
      if (levels.length > 1) close();
    } else if (word === ';') {
      levels = [newLevel('text')];
      depthBelow = 0;
    }
    const here = depthBelow + weight(levels.at(-1)!);
    if (here > depth) {
      depth = here;
      deepest = token;
    }
  }
  return { depth, deepest };
}

function newLevel(opener: Level['opener']): Level {
  return { opener, operators: 0, tables: 0, betweens: 0 };
}
