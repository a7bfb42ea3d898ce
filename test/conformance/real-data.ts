import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { EngineSession } from '../../api/database/session.ts';

/** OpenFlights and GeoNames: tables as their files are. */
export const definition = `
  CREATE TABLE airports (id int PRIMARY KEY, name text, city text, country text, iata text, icao text,
    latitude float8, longitude float8, altitude int, utc_offset numeric, dst text, zone text, type text, source text);
  CREATE TABLE airlines (id int PRIMARY KEY, name text, alias text, iata text, icao text, callsign text,
    country text, active text);
  CREATE TABLE routes (airline text, airline_id text, source text, source_id int, destination text,
    destination_id int, codeshare text, stops int, equipment text);
  CREATE TABLE cities (name text, country text, subcountry text, id int PRIMARY KEY)`;

export const files = [
  { table: 'airports', file: 'airports.csv', options: "(FORMAT csv, NULL '\\N')" },
  { table: 'airlines', file: 'airlines.csv', options: "(FORMAT csv, NULL '\\N')" },
  { table: 'routes', file: 'routes.csv', options: "(FORMAT csv, NULL '\\N')" },
  { table: 'cities', file: 'world-cities.csv', options: '(FORMAT csv, HEADER)' },
] as const;

export const change = `
  UPDATE routes SET stops = stops + 1 WHERE airline = 'FR';
  DELETE FROM routes WHERE codeshare = 'Y' AND stops > 0;
  UPDATE airports SET name = upper(name) WHERE country = 'Iceland'`;

export const questions = [
  'SELECT count(*), sum(id), count(iata), sum(altitude), sum(length(name)), min(latitude), max(longitude) FROM airports',
  'SELECT count(*), sum(id), count(alias), sum(length(name)) FROM airlines',
  'SELECT count(*), sum(source_id), sum(destination_id), count(codeshare), sum(stops), count(equipment) FROM routes',
  'SELECT count(*), sum(id), count(subcountry), sum(length(name)), sum(octet_length(name)) FROM cities',
  `SELECT s.name, d.name, count(*) FROM routes r JOIN airports s ON s.id = r.source_id
     JOIN airports d ON d.id = r.destination_id GROUP BY s.id, s.name, d.id, d.name
     ORDER BY count(*) DESC, s.id, d.id LIMIT 20`,
  `SELECT count(*), sum(a.id) FROM airports a
     WHERE NOT EXISTS (SELECT 1 FROM routes r WHERE a.id = r.source_id)
     AND NOT EXISTS (SELECT 1 FROM routes r WHERE a.id = r.destination_id)`,
  'SELECT count(*) FROM routes r LEFT JOIN airports a ON a.id = r.source_id WHERE a.id IS NULL',
  'SELECT count(*) FROM routes r LEFT JOIN airlines a ON a.id::text = r.airline_id WHERE a.id IS NULL',
  'SELECT country, count(*) FROM airports GROUP BY country ORDER BY count(*) DESC, country COLLATE "C" LIMIT 15',
  'SELECT a.name, count(*) FROM routes r JOIN airlines a ON a.id::text = r.airline_id GROUP BY a.id, a.name ORDER BY 2 DESC, a.id LIMIT 10',
  "SELECT id, name FROM airports WHERE country = 'Iceland' ORDER BY id",
  "SELECT id, name FROM cities WHERE name LIKE 'São %' ORDER BY id",
  'SELECT count(*) FROM (SELECT name FROM cities INTERSECT SELECT city FROM airports) AS both_of_them',
  'SELECT count(*) FROM (SELECT country FROM cities EXCEPT SELECT country FROM airports) AS only_cities',
  'SELECT stops, count(*) FROM routes GROUP BY stops ORDER BY stops',
  'SELECT count(DISTINCT source), count(DISTINCT equipment) FROM routes',
  'SELECT count(*) FROM cities c JOIN airports a ON a.city = c.name AND a.country = c.country',
  'SELECT dst, count(*), round(avg(altitude), 3) FROM airports GROUP BY dst ORDER BY dst',
  'SELECT id FROM airports WHERE altitude > (SELECT avg(altitude) * 10 FROM airports) ORDER BY altitude DESC, id LIMIT 20',
  `WITH RECURSIVE reach(id, hops) AS (SELECT 16, 0 UNION SELECT r.destination_id, hops + 1
     FROM reach JOIN routes r ON r.source_id = reach.id WHERE hops < 2)
     SELECT count(DISTINCT id) FROM reach`,
] as const;

export async function loadAll(session: EngineSession, folder: string): Promise<void> {
  await runScript(session, definition);
  for (const { table, file, options } of files) {
    const [statement] = session.parse(`COPY ${table} FROM STDIN WITH ${options}`);
    const portal = await session.bind(await session.prepare(statement!, []), []);
    if (portal.kind !== 'copy-in') throw new TypeError('COPY FROM STDIN asks for rows');
    for await (const chunk of createReadStream(join(folder, file))) await portal.write(chunk as Uint8Array);
    await portal.finish();
    await session.sync();
  }
}

export async function runScript(session: EngineSession, script: string): Promise<void> {
  for (const statement of session.parse(script)) {
    const portal = await session.bind(await session.prepare(statement, []), []);
    if (portal.kind === 'rows') await portal.fetch(0);
    await session.sync();
  }
}
