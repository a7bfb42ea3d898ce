import { SeededRandom } from '../../../base/env/simulated/random.ts';
import {
  bind,
  cancelRequest,
  closePortal,
  closeStatement,
  copyData,
  copyDone,
  copyFail,
  describePortal,
  describeStatement,
  execute,
  flush,
  functionCall,
  message,
  parse,
  query,
  sslRequest,
  startup,
  sync,
  terminate,
} from './messages.ts';
import type { ServedDatabase } from './served-database.ts';

type Packets = readonly Uint8Array[];

/** What well-behaved clients say after the startup packet; every kind of message is among it. */
const conversations: readonly Packets[] = [
  [query('SELECT 1; SELECT name FROM t; SELECT 1/0'), query('BEGIN; SELECT 1'), query('ROLLBACK'), terminate],
  [parse('SELECT name FROM t WHERE id = $1', 'p', [23]), describeStatement('p'), flush, sync],
  [
    parse('SELECT name FROM t WHERE id = $1'),
    bind(['1']),
    describePortal(),
    execute(),
    sync,
    bind([new Uint8Array(4)], { parameterFormats: [1], resultFormats: [1, 1] }),
    execute('', 1),
    closePortal(),
    closeStatement(),
    sync,
  ],
  [
    query('COPY t FROM STDIN'),
    copyData('7\tseven\n8\t'),
    copyData('eight\n'),
    copyFail('enough'),
    query('SELECT 1'),
  ],
  [parse('COPY t FROM STDIN'), bind(), execute(), copyData('bad'), copyDone, sync, query('COPY t TO STDOUT')],
  [functionCall, query("SET TimeZone = 'Asia/Tokyo'"), query(''), message('p', (out) => out.utf8('word\0'))],
];

const openings: readonly Packets[] = [[startup()], [sslRequest, startup()], [cancelRequest(1, 2)]];

/** What the conversations speak of; what they damage may add rows to it, and takes none. */
export async function prepareForMutations(served: ServedDatabase): Promise<void> {
  const client = await served.client();
  await client.ask(
    query("CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'one'), (2, 'two')"),
  );
  client.close();
}

/** Sends `count` conversations that are damaged in one of many ways. Throws where the server does not stand it. */
export async function sendMutations(served: ServedDatabase, seed: number, count: number): Promise<void> {
  const random = new SeededRandom(seed);
  const witness = await served.client();
  for (let index = 0; index < count; index++) {
    const client = served.wire();
    for (const chunk of chunksOf(mutated(random), random)) client.send(chunk);
    await new Promise(setImmediate);
    const strange = client.transcript.lines.find((line) => line.startsWith('unknown message'));
    if (strange !== undefined) throw new Error(`seed ${seed}, conversation ${index}: ${strange}`);
    client.close();
    if (index % 200 === 0) await expectService(served, witness, `seed ${seed}, conversation ${index}`);
  }
  await expectService(served, witness, `seed ${seed}`);
  witness.close();
}

/** Who was connected before, and who comes now, is served; nothing was reported as wrong with the server. */
async function expectService(
  served: ServedDatabase,
  witness: Awaited<ReturnType<ServedDatabase['client']>>,
  place: string,
): Promise<void> {
  const fresh = await served.client();
  for (const client of [witness, fresh]) {
    const answers = await client.ask(query('SELECT name FROM t WHERE id = 1'));
    if (!answers.includes('DataRow one')) throw new Error(`${place}: ${answers.join(', ')}`);
  }
  fresh.close();
  if (served.problems.length > 0) throw served.problems[0]!;
}

function mutated(random: SeededRandom): Uint8Array {
  const opening = pick(random, random.uint32() % 8 === 0 ? openings : openings.slice(0, 1));
  const packets = [...opening, ...pick(random, conversations)];
  // Half of the damage spares the startup packet: otherwise little would get past it.
  const spared = random.uint32() % 2 === 0 ? opening.length : 0;
  return pick(random, mutations)(packets, random, spared);
}

type Mutation = (packets: Uint8Array[], random: SeededRandom, spared: number) => Uint8Array;

const mutations: readonly Mutation[] = [truncated, flipped, oversized, shuffled, garbled, spliced];

function truncated(packets: Uint8Array[], random: SeededRandom): Uint8Array {
  const stream = Buffer.concat(packets);
  return stream.subarray(0, random.uint32() % stream.length);
}

function flipped(packets: Uint8Array[], random: SeededRandom, spared: number): Uint8Array {
  const stream = Uint8Array.from(Buffer.concat(packets));
  const start = packets.slice(0, spared).reduce((sum, packet) => sum + packet.length, 0);
  for (let flips = 1 + (random.uint32() % 8); flips > 0; flips--) {
    const at = start + (random.uint32() % (stream.length - start));
    stream[at] = stream[at]! ^ (1 << (random.uint32() % 8));
  }
  return stream;
}

/** One packet lies about its length. */
function oversized(packets: Uint8Array[], random: SeededRandom, spared: number): Uint8Array {
  const index = spared + (random.uint32() % (packets.length - spared));
  const packet = Uint8Array.from(packets[index]!);
  const lengths = [0, 3, 4, 5, packet.length + 1, 0x7f_ff_ff_ff, 0xff_ff_ff_ff, random.uint32()];
  new DataView(packet.buffer).setUint32(index === 0 ? 0 : 1, pick(random, lengths));
  packets[index] = packet;
  return Buffer.concat(packets);
}

function shuffled(packets: Uint8Array[], random: SeededRandom, spared: number): Uint8Array {
  for (let index = packets.length - 1; index > spared; index--) {
    const other = spared + (random.uint32() % (index - spared + 1));
    [packets[index], packets[other]] = [packets[other]!, packets[index]!];
  }
  return Buffer.concat(packets);
}

/** Random bytes in the place of one packet's body. */
function garbled(packets: Uint8Array[], random: SeededRandom, spared: number): Uint8Array {
  const index = spared + (random.uint32() % (packets.length - spared));
  const packet = Uint8Array.from(packets[index]!);
  const head = index === 0 ? 4 : 5;
  if (packet.length > head) packet.set(random.bytes(packet.length - head), head);
  packets[index] = packet;
  return Buffer.concat(packets);
}

/** The parts of two conversations, cut anywhere. */
function spliced(packets: Uint8Array[], random: SeededRandom, spared: number): Uint8Array {
  const other = Buffer.concat(pick(random, conversations));
  const own = Buffer.concat(packets.slice(spared));
  return Buffer.concat([
    ...packets.slice(0, spared),
    own.subarray(0, random.uint32() % (own.length + 1)),
    other.subarray(random.uint32() % other.length),
  ]);
}

function* chunksOf(stream: Uint8Array, random: SeededRandom): Iterable<Uint8Array> {
  const size = random.uint32() % 4 === 0 ? 1 + (random.uint32() % 20) : stream.length;
  for (let at = 0; at < stream.length; at += size) yield stream.slice(at, at + size);
}

function pick<Item>(random: SeededRandom, items: readonly Item[]): Item {
  return items[random.uint32() % items.length]!;
}
