import {
  formatType,
  intervalFullPrecision,
  numericPrecision,
  numericScale,
} from '../../types/format-type.ts';
import { findType, isArrayType } from '../../types/registry.ts';
import { oids, type SqlType } from '../../types/type.ts';
import type { NamedRow } from '../shape.ts';

/** What information_schema says of a type: data_type, lengths, precisions, udt_name. */
export function typeFacts(type: SqlType): NamedRow {
  const info = findType(type.oid);
  const isArray = isArrayType(type.oid);
  return {
    data_type: isArray ? 'ARRAY' : formatType({ oid: type.oid, modifier: -1 }),
    udt_schema: 'pg_catalog',
    udt_name: info?.name ?? '',
    ...(isArray ? {} : measures(type)),
  };
}

const textBytesMax = 1 << 30;
const bytesPerCharacter = 4;
const binaryPrecisions: ReadonlyMap<number, number> = new Map([
  [oids.int2, 16],
  [oids.int4, 32],
  [oids.int8, 64],
  [oids.float4, 24],
  [oids.float8, 53],
]);

function measures({ oid, modifier }: SqlType): NamedRow {
  const binary = binaryPrecisions.get(oid);
  if (binary !== undefined) {
    const isFloat = oid === oids.float4 || oid === oids.float8;
    return {
      numeric_precision: binary,
      numeric_precision_radix: 2,
      numeric_scale: isFloat ? null : 0,
    };
  }
  switch (oid) {
    case oids.text:
      return { character_octet_length: textBytesMax };
    case oids.varchar:
    case oids.bpchar:
      if (modifier < 0) return { character_octet_length: textBytesMax };
      return {
        character_maximum_length: modifier - 4,
        character_octet_length: (modifier - 4) * bytesPerCharacter,
      };
    case oids.numeric:
      return {
        numeric_precision: modifier < 0 ? null : numericPrecision(modifier),
        numeric_precision_radix: 10,
        numeric_scale: modifier < 0 ? null : numericScale(modifier),
      };
    case oids.date:
      return { datetime_precision: 0 };
    case oids.time:
    case oids.timestamp:
    case oids.timestamptz:
      return { datetime_precision: modifier < 0 ? 6 : modifier };
    case oids.interval: {
      const digits = modifier < 0 ? intervalFullPrecision : modifier & intervalFullPrecision;
      return { datetime_precision: digits === intervalFullPrecision ? 6 : digits };
    }
    default:
      return {};
  }
}
