import { setFlagsFromString } from 'node:v8';
import { loadParser } from '../../query/sql/parse.ts';

const tieringFlag = '--wasm-tiering-budget';
const tieringBudgetOfV8 = 13_000_000;
const tieringBudgetMax = 2 ** 31 - 1;

/**
 * Loads the parser so that V8 leaves it in its baseline code for some 500 statements instead of the first ten: to
 * optimize PostgreSQL's grammar, one function, takes V8 0.7 s of another thread and 600 MB for that time. V8 copies the
 * budget when a module is made; what the process loads later has V8's own again.
 */
export async function loadParserSparingly(): Promise<void> {
  setFlagsFromString(`${tieringFlag}=${tieringBudgetMax}`);
  try {
    await loadParser();
  } finally {
    setFlagsFromString(`${tieringFlag}=${tieringBudgetOfV8}`);
  }
}
