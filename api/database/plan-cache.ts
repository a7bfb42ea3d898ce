import { type ParsedStatement, type ParseOptions, parse } from '../../query/sql/parse.ts';
import type { TypeOid } from '../../query/types/type.ts';
import type { Prepared } from './statements/prepare.ts';
import type { Template } from './statements/templates.ts';

/** Statements whose plans are kept, and texts whose parse trees are. */
const entriesMax = 2000;
/** Longer texts are not kept: they rarely come twice. */
const textLengthMax = 20_000;

/** Parse trees by text, plans by statement and templates by what texts have in common, shared by all sessions; the least recently used go first. */
export class PlanCache {
  readonly #parsed = new Map<string, readonly ParsedStatement[]>();
  readonly #plans = new Map<string, Prepared>();
  readonly #templates = new Map<string, Template>();

  /** A text's statements: parsed (33 µs and more), or as they were the last time. */
  parse(text: string, options: ParseOptions = { questionMarks: false }): readonly ParsedStatement[] {
    const key = options.questionMarks ? `?${text}` : `$${text}`;
    const known = recent(this.#parsed, key);
    if (known !== undefined) return known;
    const parsed = parse(text, options);
    keep(this.#parsed, key, parsed);
    return parsed;
  }

  /** `time`: the moment whose catalog is read, and how literals of times are. */
  key(statement: ParsedStatement, givenTypes: readonly TypeOid[], searchPath: string, time: string): string {
    const dialect = statement.hasQuestionMarks ? '?' : '$';
    return `${time}${dialect}${searchPath}\u0000${givenTypes.join()}\u0000${statement.source}`;
  }

  get(key: string): Prepared | undefined {
    return recent(this.#plans, key);
  }

  template(key: string): Template | undefined {
    return recent(this.#templates, key);
  }

  setTemplate(key: string, template: Template): void {
    keep(this.#templates, key, template);
  }

  set(key: string, prepared: Prepared): void {
    keep(this.#plans, key, prepared);
  }
}

function recent<Value>(entries: Map<string, Value>, key: string): Value | undefined {
  const found = entries.get(key);
  if (found !== undefined) {
    entries.delete(key);
    entries.set(key, found);
  }
  return found;
}

function keep<Value>(entries: Map<string, Value>, key: string, value: Value): void {
  if (key.length > textLengthMax) return;
  entries.delete(key);
  entries.set(key, value);
  if (entries.size > entriesMax) entries.delete(entries.keys().next().value!);
}
