import { unreachable } from '../../../base/unreachable.ts';
import { oids } from '../../../query/types/type.ts';
import type { ResultColumn, ResultRow } from './connection.ts';
import { textWidth } from './text-width.ts';

export const tableFormats = ['aligned', 'expanded', 'unaligned', 'csv', 'json'] as const;
export type TableFormat = (typeof tableFormats)[number];

export type TableStyle = {
  readonly format: TableFormat;
  /** Rows alone: no heading, no count. */
  readonly isBare: boolean;
};

/** A result as text, piece by piece: each call answers what may be printed by then. */
export type TableWriter = {
  rows(rows: readonly ResultRow[]): string;
  end(): string;
};

export function tableWriter(columns: readonly ResultColumn[], style: TableStyle): TableWriter {
  switch (style.format) {
    case 'aligned':
      return new AlignedTable(columns, style.isBare);
    case 'expanded':
      return expandedTable(columns);
    case 'unaligned':
      return unalignedTable(columns, style.isBare);
    case 'csv':
      return csvTable(columns, style.isBare);
    case 'json':
      return jsonTable(columns);
    default:
      return unreachable(style.format);
  }
}

/** Rows whose widths are measured together; memory holds no more. */
const measuredRowsMax = 10_000;

const rightAligned: ReadonlySet<number> = new Set([
  oids.int2,
  oids.int4,
  oids.int8,
  oids.oid,
  oids.float4,
  oids.float8,
  oids.numeric,
]);

/** psql's manner: widths fit the rows; past `measuredRowsMax` rows they fit the first ones. */
class AlignedTable implements TableWriter {
  readonly #columns: readonly ResultColumn[];
  readonly #isBare: boolean;
  readonly #widths: number[];
  #rows: ResultRow[] = [];
  #count = 0;
  #hasHeading: boolean;

  constructor(columns: readonly ResultColumn[], isBare: boolean) {
    this.#columns = columns;
    this.#isBare = isBare;
    this.#hasHeading = isBare;
    this.#widths = columns.map(({ name }) => (isBare ? 0 : textWidth(name)));
  }

  rows(rows: readonly ResultRow[]): string {
    for (const row of rows) this.#rows.push(row);
    return this.#rows.length < measuredRowsMax ? '' : this.#print();
  }

  end(): string {
    const table = this.#print();
    if (this.#isBare) return table;
    return `${table}(${this.#count} ${this.#count === 1 ? 'row' : 'rows'})\n\n`;
  }

  #print(): string {
    const rows = this.#rows.map((row) => row.map((value) => (value ?? '').split('\n')));
    this.#count += rows.length;
    this.#rows = [];
    for (const row of rows) {
      for (const [at, lines] of row.entries()) {
        for (const line of lines) this.#widths[at] = Math.max(this.#widths[at]!, textWidth(line));
      }
    }
    const heading = this.#hasHeading ? '' : this.#heading();
    this.#hasHeading = true;
    return heading + rows.map((row) => this.#row(row)).join('');
  }

  #heading(): string {
    const names = this.#columns.map(({ name }, at) => ` ${centered(name, this.#widths[at]!)} `).join('|');
    return `${names}\n${this.#widths.map((width) => '-'.repeat(width + 2)).join('+')}\n`;
  }

  /** One printed line for each line of the tallest value; a `+` where a value goes on below. */
  #row(row: readonly (readonly string[])[]): string {
    const height = Math.max(1, ...row.map((lines) => lines.length));
    let text = '';
    for (let line = 0; line < height; line++) {
      const cells = row.map((lines, at) => {
        const value = lines[line] ?? '';
        const space = ' '.repeat(Math.max(0, this.#widths[at]! - textWidth(value)));
        const isRight = rightAligned.has(this.#columns[at]!.type);
        return ` ${isRight ? space + value : value + space}${line < lines.length - 1 ? '+' : ' '}`;
      });
      text += `${cells.join('|').trimEnd()}\n`;
    }
    return text;
  }
}

function centered(text: string, width: number): string {
  const space = Math.max(0, width - textWidth(text));
  const left = Math.floor(space / 2);
  return ' '.repeat(left) + text + ' '.repeat(space - left);
}

/** One line a value: for wide rows. */
function expandedTable(columns: readonly ResultColumn[]): TableWriter {
  const nameWidth = Math.max(0, ...columns.map(({ name }) => textWidth(name)));
  let count = 0;
  const record = (row: ResultRow): string => {
    count++;
    const lines = columns.map(({ name }, at) => {
      const label = name + ' '.repeat(nameWidth - textWidth(name));
      const value = (row[at] ?? '').split('\n').join(`\n${' '.repeat(nameWidth)} | `);
      return `${label} | ${value}`.trimEnd();
    });
    return `${[`-[ RECORD ${count} ]${'-'.repeat(Math.max(4, nameWidth))}`, ...lines].join('\n')}\n`;
  };
  return {
    rows: (rows) => rows.map(record).join(''),
    end: () => (count === 0 ? '(0 rows)\n\n' : '\n'),
  };
}

/** Values between bars: for scripts. */
function unalignedTable(columns: readonly ResultColumn[], isBare: boolean): TableWriter {
  const line = (values: ResultRow): string => `${values.map((value) => value ?? '').join('|')}\n`;
  let heading = isBare ? '' : line(columns.map(({ name }) => name));
  let count = 0;
  const taken = (): string => {
    const text = heading;
    heading = '';
    return text;
  };
  return {
    rows: (rows) => {
      count += rows.length;
      return taken() + rows.map(line).join('');
    },
    end: () => taken() + (isBare ? '' : `(${count} ${count === 1 ? 'row' : 'rows'})\n`),
  };
}

/** RFC 4180 with `\n` line ends; NULL is empty, and the empty string is quoted. */
function csvTable(columns: readonly ResultColumn[], isBare: boolean): TableWriter {
  const field = (value: string | null): string => {
    if (value === null) return '';
    return value === '' || /[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  };
  const line = (values: ResultRow): string => `${values.map(field).join(',')}\n`;
  let heading = isBare ? '' : line(columns.map(({ name }) => name));
  const taken = (): string => {
    const text = heading;
    heading = '';
    return text;
  };
  return { rows: (rows) => taken() + rows.map(line).join(''), end: taken };
}

const jsonNumbers: ReadonlySet<number> = new Set([oids.int2, oids.int4, oids.oid, oids.float4, oids.float8]);
/** Types whose text is JSON. */
const jsonTexts: ReadonlySet<number> = new Set([oids.json, oids.jsonb, oids.vector]);

/** An array of objects, one a line. int8 and numeric are strings: a JSON reader would round them. */
function jsonTable(columns: readonly ResultColumn[]): TableWriter {
  const names = columns.map(({ name }) => JSON.stringify(name));
  let count = 0;
  const valueText = (value: string | null, type: number): string => {
    if (value === null) return 'null';
    if (type === oids.bool) return String(value === 't');
    if (jsonTexts.has(type)) return value;
    return jsonNumbers.has(type) && Number.isFinite(Number(value)) ? value : JSON.stringify(value);
  };
  const object = (row: ResultRow): string => {
    const fields = columns.map(({ type }, at) => `${names[at]}: ${valueText(row[at] ?? null, type)}`);
    return `${count++ === 0 ? '[' : ',\n '}{${fields.join(', ')}}`;
  };
  return {
    rows: (rows) => rows.map(object).join(''),
    end: () => (count === 0 ? '[]\n' : ']\n'),
  };
}
