import { dirname } from 'node:path';
import type { Disk } from '../../../base/env/env.ts';
import { AlopexError } from '../../../base/errors.ts';
import { indexId, type SchemaId } from '../../../base/ids.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { EventSchema } from '../../../log/events/layout.ts';
import { eventSchemaFromJson } from '../../../log/events/layout-json.ts';
import { rowCodec } from '../../../log/events/row.ts';
import { readEvents } from '../../../log/events/row-event.ts';
import { objectsSchema, sequencesSchema } from '../../../log/events/system.ts';
import { segmentNames, segmentPath } from '../../../log/segment/name.ts';
import { endless, segmentStart, walkBatches } from '../../../log/segment/walk.ts';
import { readManifest } from '../../../materializers/manifest/manifest.ts';
import { entryValues, readEntries } from '../../../materializers/rows/sstable/reader.ts';
import { openSstableFile } from '../../../materializers/worker/sstable-file.ts';

/** The schemas of a log's records: a fold of the log itself, from the snapshot where its beginning is trimmed. */
export type Schemas = ReadonlyMap<SchemaId, EventSchema>;

/** `directory`: of a log; the snapshot stands in `rows` beside it. What is missing or damaged is passed over. */
export async function readSchemas(disk: Disk, directory: string): Promise<Schemas> {
  const schemas = new Map([objectsSchema, sequencesSchema].map((schema) => [schema.id, schema]));
  try {
    await learnFromSnapshot(disk, `${dirname(directory)}/rows`, schemas);
  } catch (error) {
    if (!(error instanceof AlopexError)) throw error;
  }
  await learnFromLog(disk, directory, schemas);
  return schemas;
}

/** `row`: of alopex.objects. */
function learn(row: readonly Datum[], schemas: Map<SchemaId, EventSchema>): void {
  const [, kind, , definition] = row;
  if (kind !== 'schema') return;
  const schema = eventSchemaFromJson(JSON.parse(definition as string));
  schemas.set(schema.id, schema);
}

async function learnFromSnapshot(
  disk: Disk,
  directory: string,
  schemas: Map<SchemaId, EventSchema>,
): Promise<void> {
  const manifest = await readManifest(disk, directory);
  for (const file of manifest?.files ?? []) {
    const { sstable, close } = await openSstableFile(disk, directory, file);
    try {
      const section = sstable.section(objectsSchema.storage, indexId(0));
      if (section === null) continue;
      for await (const group of readEntries(section)) {
        for (let row = 0; row < group.rowCount; row++) {
          const values = entryValues(group, row);
          if (values !== null) learn(values, schemas);
        }
      }
    } finally {
      await close();
    }
  }
}

async function learnFromLog(
  disk: Disk,
  directory: string,
  schemas: Map<SchemaId, EventSchema>,
): Promise<void> {
  const codec = rowCodec(objectsSchema);
  for (const name of segmentNames(await disk.list(directory))) {
    const file = await disk.open(segmentPath(directory, name), 'read');
    try {
      await walkBatches(file, name, segmentStart(name), endless, (batch, header) => {
        if (header.isControl) return true;
        for (const { schema, row } of readEvents(batch, header)) {
          if (schema === objectsSchema.id && row !== null) learn(codec.decode(row), schemas);
        }
        return true;
      });
    } finally {
      await file.close();
    }
  }
}
