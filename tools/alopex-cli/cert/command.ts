import type { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { realEnv } from '../../../base/env/real/env.ts';
import { AlopexError } from '../../../base/errors.ts';
import { type NodeId, nodeId } from '../../../base/ids.ts';
import { keyFingerprint, parseCertificate } from '../../../log/mesh/certificate.ts';
import { loadIdentity, type NodeIdentity } from '../../../log/mesh/identity.ts';
import { readNodeRecord } from '../../alopex-server/node-record.ts';

const serialPattern = /^[0-9a-f]{2,40}$/i;

/** `alopex-cli cert show`. */
export async function show(directory: string): Promise<number> {
  const identity = await open(directory);
  const isRotating = identity.trust.authorities.length > 1;
  console.log(describe(identity, isRotating ? await notRenewed(identity, directory) : []));
  return 0;
}

export type RotateOptions = { readonly isFinal: boolean; readonly isForced: boolean };

export async function rotate(directory: string, { isFinal, isForced }: RotateOptions): Promise<number> {
  const identity = await open(directory);
  if (isFinal) {
    if (!isForced) await requireRenewed(identity, directory);
    await identity.finishRotation();
    console.log(
      'The old authority is dropped: nodes whose certificates it has signed are refused from now on, as soon as they hear of it.',
    );
    return 0;
  }
  await identity.rotate();
  console.log(`A new authority, ${nameOf(identity.trust.authorities.at(-1)!)}, is trusted beside the old one.
Running nodes take it over from this one within seconds, and get new certificates.
When they have, which "alopex-cli cert show" tells: alopex-cli cert rotate --finish`);
  return 0;
}

async function requireRenewed(identity: NodeIdentity, directory: string): Promise<void> {
  if (identity.trust.authorities.length === 1) return;
  const waiting = await notRenewed(identity, directory);
  if (waiting.length === 0) return;
  throw new AlopexError(
    'object_not_in_prerequisite_state',
    `not known to have a certificate of the new authority: ${namesOf(waiting)}`,
    {
      hint: "Within seconds of a rotation all nodes that are up have one, and this directory's server hears of it. With --force the others are left out, and have to join anew.",
    },
  );
}

/** Members of whose certificates this node has not heard that the new authority signed them. */
async function notRenewed(identity: NodeIdentity, directory: string): Promise<readonly NodeId[]> {
  const record = await readNodeRecord(realEnv().disk, resolve(directory));
  const renewed = new Set(await identity.renewed());
  const { nodes: revoked } = identity.trust.revoked;
  const isWaiting = (id: NodeId): boolean =>
    !revoked.includes(id) && (id === identity.self ? !identity.isCurrent : !renewed.has(id));
  return (record?.members ?? []).map(({ id }) => id).filter(isWaiting);
}

const namesOf = (nodes: readonly NodeId[]): string => nodes.map((id) => `node ${id}`).join(', ');

export async function revoke(
  directory: string,
  nodes: readonly string[],
  serials: readonly string[],
): Promise<number> {
  if (nodes.length + serials.length === 0)
    throw new AlopexError('invalid_parameter_value', 'nothing to revoke: give --node or --serial');
  const wrong = [...nodes.filter((each) => !/^[1-9]\d{0,14}$/.test(each)), ...serials.filter(isNoSerial)];
  if (wrong.length > 0)
    throw new AlopexError('invalid_parameter_value', `"${wrong[0]}" is no number of a node or certificate`);
  const identity = await open(directory);
  await identity.revoke({ nodes: nodes.map((each) => nodeId(Number(each))), serials });
  console.log(`Revoked: ${[...nodes.map((each) => `node ${each}`), ...serials].join(', ')}.
Running nodes hear of it within seconds, and end what connections there are.`);
  const record = await readNodeRecord(realEnv().disk, resolve(directory));
  const members = (record?.members ?? []).map(({ id }) => Number(id));
  const strangers = nodes.filter((each) => !members.includes(Number(each)));
  if (record !== null && strangers.length > 0)
    console.log(
      `Not members now: ${strangers.map((each) => `node ${each}`).join(', ')}. The members are ${members.join(', ')}.`,
    );
  return 0;
}

const isNoSerial = (text: string): boolean => !serialPattern.test(text);

async function open(directory: string): Promise<NodeIdentity> {
  const identity = await loadIdentity(realEnv(), resolve(directory));
  if (identity !== null) return identity;
  throw new AlopexError('undefined_file', `${directory} is not the data directory of a node of a cluster`, {
    hint: 'A server gets its keys when it starts with --mode, or when the first replica joins it.',
  });
}

/** What `cert show` prints. */
export function describe(identity: NodeIdentity, waiting: readonly NodeId[] = []): string {
  const { trust } = identity;
  const certificate = parseCertificate(identity.certificate);
  const signer = trust.authorities.find(({ publicKey }) => certificate.verify(publicKey));
  const lines: [string, string][] = [
    ['cluster', identity.cluster],
    ['this node', String(identity.self)],
    ['certificate', `${certificate.serialNumber.toLowerCase()}, until ${dayOf(certificate)}`],
    ['signed by', signer === undefined ? 'an authority that is not trusted any more' : nameOf(signer)],
    ...trust.authorities.map((authority, index): [string, string] => [
      'authority',
      `${nameOf(authority)}, until ${dayOf(authority)}${index === trust.authorities.length - 1 ? '; it signs' : '; the old one'}`,
    ]),
    ['its key', identity.canSign ? 'is here' : 'is not here'],
    ['revoked', listOf([...trust.revoked.nodes.map((node) => `node ${node}`), ...trust.revoked.serials])],
    ['version', String(trust.version)],
    ...(trust.authorities.length > 1
      ? [
          ['not renewed', waiting.length === 0 ? 'none: cert rotate --finish' : namesOf(waiting)] as [
            string,
            string,
          ],
        ]
      : []),
  ];
  return lines.map(([name, value]) => `${name.padEnd(12)} ${value}`).join('\n');
}

const nameOf = (authority: X509Certificate): string => keyFingerprint(authority.publicKey).slice(0, 8);
const dayOf = ({ validTo }: X509Certificate): string => new Date(validTo).toISOString().slice(0, 10);
const listOf = (names: readonly string[]): string => (names.length === 0 ? 'nothing' : names.join(', '));
