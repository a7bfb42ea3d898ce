import { tokenize } from '../../../query/sql/lexer.ts';

/** Lines as they are typed, cut into statements at the semicolons that end them. */
export class StatementBuffer {
  #text = '';

  get isEmpty(): boolean {
    return this.#text === '';
  }
  get text(): string {
    return this.#text;
  }

  /** The statements that the line completes, with their semicolons. */
  add(line: string): readonly string[] {
    this.#text += this.#text === '' ? line : `\n${line}`;
    if (!line.includes(';')) {
      this.#dropBlank();
      return [];
    }
    const statements: string[] = [];
    let start = 0;
    for (const end of statementEnds(this.#text)) {
      statements.push(this.#text.slice(start, end).trimStart());
      start = end;
    }
    this.#text = this.#text.slice(start);
    this.#dropBlank();
    return statements.filter((statement) => statement !== ';');
  }

  /** What is there, without waiting for a semicolon. */
  take(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }

  #dropBlank(): void {
    if (this.#text.trim() === '') this.#text = '';
  }
}

/** Offsets just past each semicolon that ends a statement: not in a string, a comment or parentheses. */
function statementEnds(text: string): readonly number[] {
  const ends: number[] = [];
  let depth = 0;
  for (const { kind, start, end } of tokenize(text)) {
    if (kind !== 'punctuation') continue;
    const character = text.charAt(start);
    if (character === '(' || character === '[') depth++;
    else if (character === ')' || character === ']') depth = Math.max(0, depth - 1);
    else if (character === ';' && depth === 0) ends.push(end);
  }
  return ends;
}
