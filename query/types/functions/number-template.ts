import { AlopexError } from '../../../base/errors.ts';
import type { Numeric } from '../../../base/values/numeric.ts';
import { absoluteNumeric, roundNumeric } from '../numeric/arithmetic.ts';
import { parseNumericText } from '../numeric/text.ts';

/** to_char and to_number over digits: 9 0 . , D G S MI PL SG PR FM L EEEE is refused. */
type Template = {
  readonly marks: readonly string[];
  readonly isFill: boolean;
  readonly decimals: number;
  /** Places before the point. */
  readonly places: number;
  /** Marks from which on zeros are shown; -1: none. */
  readonly firstZero: number;
};

const markPattern = /EEEE|RN|TH|th|FM|fm|MI|mi|PL|pl|SG|sg|PR|pr|[90.,DGSLVdgslv]|"[^"]*"|./gs;

function readTemplate(template: string): Template {
  const all = template.match(markPattern) ?? [];
  const marks = all.map((mark) => (mark.startsWith('"') ? mark : mark.toUpperCase()));
  for (const refused of ['EEEE', 'RN', 'V', 'TH']) {
    if (marks.includes(refused)) {
      throw new AlopexError('feature_not_supported', `number template "${refused}" is not supported yet`);
    }
  }
  const point = marks.findIndex((mark) => mark === '.' || mark === 'D');
  const before = point < 0 ? marks : marks.slice(0, point);
  const digits = (list: readonly string[]) => list.filter((mark) => mark === '9' || mark === '0');
  return {
    marks: marks.filter((mark) => mark !== 'FM'),
    isFill: marks.includes('FM'),
    decimals: point < 0 ? 0 : digits(marks.slice(point)).length,
    places: digits(before).length,
    firstZero: digits(before).indexOf('0'),
  };
}

/** Blanks stand for places that are not used, unless FM leaves them out; too many digits show as `#`. */
export function formatNumber(value: Numeric, template: string): string {
  const { marks, isFill, decimals, places, firstZero } = readTemplate(template);
  const rounded = roundNumeric(absoluteNumeric(value), decimals);
  const isNegative = value.special === null && value.units < 0 && rounded.units !== 0;
  const [whole = '', fraction = ''] = rounded.toString().split('.');
  const isOverflow = value.special !== null || (whole.length > places && whole !== '0');
  const trimmed = isFill ? trimFraction(fraction, marks) : fraction;
  const hidesZero = whole === '0' && firstZero < 0 && decimals > 0 && trimmed !== '';
  const shownWhole = hidesZero ? '' : whole;
  const zeroPlaces = firstZero < 0 ? 0 : places - firstZero;
  const padded = (isOverflow ? '' : shownWhole.padStart(zeroPlaces, '0')).padStart(
    places,
    isOverflow ? '#' : ' ',
  );
  const hasSignMark = marks.some((mark) => ['S', 'SG', 'MI', 'PL', 'PR'].includes(mark));
  let wholeAt = 0;
  let fractionAt = 0;
  let isAfterPoint = false;
  let text = '';
  for (const mark of marks) {
    if (mark === '9' || mark === '0') {
      if (isAfterPoint) text += isOverflow ? '#' : (trimmed[fractionAt++] ?? '');
      else text += padded[wholeAt++]!;
    } else if (mark === '.' || mark === 'D') {
      isAfterPoint = true;
      text += '.';
    } else if (mark === ',' || mark === 'G') text += /[\d#]/.test(text) ? ',' : ' ';
    else text += signMark(mark, isNegative);
  }
  const hasLeadingSign = marks[0] === 'S';
  const body = hasSignMark ? text : placeSign(text, isNegative ? '-' : ' ');
  const placed = hasLeadingSign ? placeSign(body.slice(1), isNegative ? '-' : '+') : body;
  const bracketed = marks.includes('PR')
    ? isNegative
      ? `${placeSign(placed, '<')}>`
      : ` ${placed} `
    : placed;
  return isFill ? bracketed.replace(/ /g, '') : bracketed;
}

function trimFraction(fraction: string, marks: readonly string[]): string {
  const point = marks.findIndex((mark) => mark === '.' || mark === 'D');
  const kept =
    marks
      .slice(point)
      .filter((mark) => mark === '9' || mark === '0')
      .lastIndexOf('0') + 1;
  const bare = fraction.replace(/0+$/, '');
  return fraction.slice(0, Math.max(kept, bare.length));
}

/** Right before the first digit. */
function placeSign(text: string, sign: string): string {
  const at = text.search(/[\d#.]/);
  return at < 0 ? sign + text : text.slice(0, at) + sign + text.slice(at);
}

function signMark(mark: string, isNegative: boolean): string {
  switch (mark) {
    case 'S':
    case 'SG':
      return isNegative ? '-' : '+';
    case 'MI':
      return isNegative ? '-' : ' ';
    case 'PL':
      return isNegative ? ' ' : '+';
    case 'PR':
      return '';
    case 'L':
      return ' ';
    default:
      return mark.startsWith('"') ? mark.slice(1, -1) : mark;
  }
}

export function parseNumber(text: string, template: string): Numeric {
  const { decimals } = readTemplate(template);
  const isNegative = /-|^\s*</.test(text);
  const [whole = '', fraction = ''] = text.replace(/[^0-9.]/g, '').split('.');
  const value = parseNumericText(`${isNegative ? '-' : ''}${whole || '0'}.${fraction.slice(0, decimals)}`);
  if (value === null)
    throw new AlopexError('invalid_text_representation', `invalid input syntax for type numeric: "${text}"`);
  return value;
}
