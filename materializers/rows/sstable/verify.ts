import type { AnyPageSlot } from './cache.ts';
import type { Group } from './index-block.ts';
import type { Sstable } from './reader.ts';

/** Reads every byte of a file, past the cache. Throws data_corrupted, with the first page that is not what was written. */
export async function verifySstable({ sections, file }: Sstable): Promise<void> {
  for (const section of sections) {
    for (let ordinal = 0; ordinal < section.groupCount; ordinal++) {
      const group = await section.group(ordinal);
      // Decoding a page fetches what hangs on it; without that the checksums are enough.
      if (hasOverflow(group)) await file.readOnce(group.columns.flatMap(({ pages }) => pages));
      await file.verify(slotsOf(group));
    }
  }
}

function slotsOf({ keys, filter, versions, columns }: Group): readonly AnyPageSlot[] {
  const pages = columns.flatMap((chunk) => chunk.pages as readonly AnyPageSlot[]);
  return [keys, ...(filter === null ? [] : [filter]), versions, ...pages];
}

/** Pages of a group lie side by side, but for those of overflow values, which only their column knows. */
function hasOverflow(group: Group): boolean {
  const addresses = slotsOf(group).map(({ address }) => address);
  addresses.sort((left, right) => left.position - right.position);
  return addresses.some(({ position }, index) => {
    const before = addresses[index - 1];
    return before !== undefined && before.position + before.length !== position;
  });
}
