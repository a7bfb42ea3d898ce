/** Converts places in the text that the parser read to places in the text that the user wrote. */
export type Positions = {
  /** From an offset in UTF-8 bytes: what the parse tree has. To code points, from 0. */
  ofByte(byte: number): number;
  /** From an offset in code points: what the parser's errors have. To code points, from 0. */
  ofCodePoint(codePoint: number): number;
  /** From an offset in UTF-8 bytes of the parsed text, to its UTF-16 units. */
  unitOfByte(byte: number): number;
};

export function isAscii(text: string): boolean {
  return !/[\u0080-\uffff]/.test(text);
}

/** `sourceUnitOf` maps UTF-16 units of the parsed text to those of `source`. */
export function positionsOf(
  parsed: string,
  source: string,
  sourceUnitOf: (unit: number) => number,
): Positions {
  const codePointOf = codePoints(source);
  if (isAscii(parsed)) {
    const direct = (offset: number): number => codePointOf(sourceUnitOf(offset));
    return { ofByte: direct, ofCodePoint: direct, unitOfByte: (byte) => byte };
  }
  const { byteUnits, codePointUnits } = unitTables(parsed);
  const unitOfByte = (byte: number): number => byteUnits[byte] ?? parsed.length;
  return {
    ofByte: (byte) => codePointOf(sourceUnitOf(unitOfByte(byte))),
    ofCodePoint: (codePoint) => codePointOf(sourceUnitOf(codePointUnits[codePoint] ?? parsed.length)),
    unitOfByte,
  };
}

/** Code points before each UTF-16 unit. They differ only after characters beyond the basic plane. */
function codePoints(text: string): (unit: number) => number {
  if (!/[\ud800-\udbff]/.test(text)) return (unit) => unit;
  const counts = new Uint32Array(text.length + 1);
  for (let unit = 0, count = 0; unit < text.length; unit += 1) {
    counts[unit] = count;
    if (!isPairEnd(text, unit + 1)) count += 1;
    counts[unit + 1] = count;
  }
  return (unit) => counts[Math.min(unit, text.length)]!;
}

function unitTables(text: string): { byteUnits: number[]; codePointUnits: number[] } {
  const byteUnits: number[] = [];
  const codePointUnits: number[] = [];
  for (let unit = 0; unit < text.length; unit += 1) {
    if (isPairEnd(text, unit)) continue;
    const code = text.codePointAt(unit)!;
    const bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    codePointUnits.push(unit);
    for (let byte = 0; byte < bytes; byte += 1) byteUnits.push(unit);
  }
  return { byteUnits, codePointUnits };
}

function isPairEnd(text: string, unit: number): boolean {
  const code = text.charCodeAt(unit);
  const before = text.charCodeAt(unit - 1);
  return code >= 0xdc00 && code <= 0xdfff && before >= 0xd800 && before <= 0xdbff;
}
