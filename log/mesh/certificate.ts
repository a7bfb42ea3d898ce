import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { AlopexError } from '../../base/errors.ts';
import { type NodeId, nodeId } from '../../base/ids.ts';

/** Who a certificate says that the owner of its key is. */
export type NodeName = { readonly cluster: string; readonly node: NodeId };

export type Revocations = { readonly nodes: readonly NodeId[]; readonly serials: readonly string[] };

/** What a node's certificate is judged by. */
export type Judge = {
  readonly cluster: string;
  readonly authorities: readonly X509Certificate[];
  readonly revoked: Revocations;
};

/** The owner of a key, as the cluster's authority says. */
export type Verified = { readonly node: NodeId; readonly serial: string };

const clusterPattern = /^[a-z0-9][a-z0-9-]{0,63}$/;
const namePattern = /^URI:alopex:\/\/([a-z0-9-]{1,64})\/node\/([1-9][0-9]{0,15})$/;

export function assertClusterName(cluster: string): void {
  if (!clusterPattern.test(cluster))
    throw new AlopexError('invalid_parameter_value', `"${cluster}" is no id of a cluster`);
}

export const nodeUri = ({ cluster, node }: NodeName): string => `alopex://${cluster}/node/${node}`;

/** From PEM or DER. Throws invalid_authorization_specification for what is none. */
export function parseCertificate(bytes: string | Uint8Array): X509Certificate {
  try {
    return new X509Certificate(bytes);
  } catch (cause) {
    throw new AlopexError('invalid_authorization_specification', 'what was shown is no certificate', {
      cause,
    });
  }
}

/** SHA-256 of a key's public part, in hexadecimal: what an authority is called by. */
export function keyFingerprint(key: KeyObject): string {
  return createHash('sha256').update(publicDer(key)).digest('hex');
}

export function publicDer(key: KeyObject): Buffer {
  return (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'der', type: 'spki' });
}

/** The node that a certificate names; its signature is not looked at. */
export function nameOf(certificate: X509Certificate): NodeName {
  const match = namePattern.exec(certificate.subjectAltName ?? '');
  if (match === null) throw refused('the certificate names no node of a cluster');
  return { cluster: match[1]!, node: nodeId(Number(match[2])) };
}

/**
 * Throws invalid_authorization_specification unless the certificate names a node of the cluster, is valid now, signed by one
 * of its authorities (valid itself) and not revoked. That the peer has the certificate's key is for the caller to know.
 */
export function verifyNode(certificate: X509Certificate, judge: Judge, nowMs: number): Verified {
  const { cluster, node } = nameOf(certificate);
  if (cluster !== judge.cluster) throw refused(`the certificate is of another cluster, ${cluster}`);
  const isSigned = judge.authorities.some(
    (authority) =>
      isValidAt(authority, nowMs) &&
      certificate.checkIssued(authority) &&
      certificate.verify(authority.publicKey),
  );
  if (!isSigned) throw refused("the certificate is not signed by the cluster's authority");
  // Only now: the key of a damaged certificate cannot even be read.
  if (certificate.ca || certificate.publicKey.asymmetricKeyType !== 'ed25519')
    throw refused('the certificate is not one of a node');
  if (!isValidAt(certificate, nowMs)) {
    throw refused(
      `the certificate of node ${node} is valid from ${certificate.validFrom} to ${certificate.validTo}, and now it is ${new Date(nowMs).toUTCString()}`,
    );
  }
  const serial = certificate.serialNumber.toLowerCase();
  if (judge.revoked.nodes.includes(node)) throw refused(`node ${node} is revoked`);
  if (judge.revoked.serials.includes(serial))
    throw refused(`certificate ${serial} of node ${node} is revoked`);
  return { node, serial };
}

function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  return nowMs >= Date.parse(certificate.validFrom) && nowMs <= Date.parse(certificate.validTo);
}

export function refused(reason: string): AlopexError {
  return new AlopexError('invalid_authorization_specification', reason);
}
