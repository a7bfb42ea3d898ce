import { emptyIdMap, type IdMap, idMapGet, idMapWith } from './id-map.ts';

/** An immutable map from names to ids: buckets of a hash, in an `IdMap`. */
export type NameMap = IdMap<readonly Entry[]>;
type Entry = { readonly name: string; readonly id: number };

export function emptyNameMap(): NameMap {
  return emptyIdMap();
}

export function nameMapGet(map: NameMap, name: string): number | undefined {
  return idMapGet(map, hash(name))?.find((entry) => entry.name === name)?.id;
}

/** `id` undefined removes the name. */
export function nameMapWith(map: NameMap, name: string, id: number | undefined): NameMap {
  const bucket = hash(name);
  const others = (idMapGet(map, bucket) ?? []).filter((entry) => entry.name !== name);
  const entries = id === undefined ? others : [...others, { name, id }];
  return idMapWith(map, bucket, entries.length === 0 ? undefined : entries);
}

/** FNV-1a over UTF-16 units, folded to 24 bits: five levels of trie. */
function hash(name: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < name.length; index++) {
    value = Math.imul(value ^ name.charCodeAt(index), 0x01000193);
  }
  return ((value >>> 24) ^ value) & 0xffffff;
}
