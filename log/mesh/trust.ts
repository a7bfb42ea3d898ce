import { createPrivateKey, sign, verify, type X509Certificate } from 'node:crypto';
import { AlopexError } from '../../base/errors.ts';
import { type NodeId, nodeId } from '../../base/ids.ts';
import type { Authority } from './authority.ts';
import { type Judge, keyFingerprint, parseCertificate, refused } from './certificate.ts';

/**
 * Whom the nodes of a cluster believe: its authorities, and what they have revoked. A version of it replaces those of lower
 * numbers; any node hands it to any other, for an authority that the other believes already has signed it.
 */
export type Trust = Judge & { readonly version: number };

type Body = {
  readonly cluster: string;
  readonly version: number;
  /** PEM; the oldest first. The last one signs. */
  readonly authorities: readonly string[];
  readonly revokedNodes: readonly number[];
  readonly revokedSerials: readonly string[];
};
/** `body` is the JSON of a Body, as it was signed. */
type Document = {
  readonly body: string;
  readonly signatures: readonly { readonly authority: string; readonly signature: string }[];
};

const documentLengthMax = 4 * 1024 * 1024;
export const authoritiesMax = 2;
export const revocationsMax = 16_384;
/** What is signed begins with this, so that a signature of something else is none of it. */
const prefix = 'alopex trust 1\n';

/** The signed text of it; each authority that it names, and each that its readers may still believe, should sign. */
export function encodeTrust(trust: Trust, signers: readonly Authority[]): string {
  const body: Body = {
    cluster: trust.cluster,
    version: trust.version,
    authorities: trust.authorities.map((authority) => authority.toString()),
    revokedNodes: trust.revoked.nodes,
    revokedSerials: trust.revoked.serials,
  };
  const text = JSON.stringify(body);
  const signatures = signers.map(({ key }) => {
    const privateKey = createPrivateKey(key);
    return {
      authority: keyFingerprint(privateKey),
      signature: sign(null, Buffer.from(prefix + text), privateKey).toString('base64'),
    };
  });
  return `${JSON.stringify({ body: text, signatures } satisfies Document, null, 1)}\n`;
}

/**
 * Throws invalid_authorization_specification where none of `believed` has signed it; null: one of those that it names must
 * have, which says no more than that it is whole.
 */
export function decodeTrust(text: string, believed: readonly X509Certificate[] | null): Trust {
  const { body, signatures } = documentOf(text);
  const trust = trustOf(body);
  const isSigned = (believed ?? trust.authorities).some(({ publicKey }) => {
    const fingerprint = keyFingerprint(publicKey);
    const own = signatures.find(({ authority }) => authority === fingerprint);
    return (
      own !== undefined &&
      verify(null, Buffer.from(prefix + body), publicKey, Buffer.from(own.signature, 'base64'))
    );
  });
  if (!isSigned) throw refused("the list of the cluster's authorities is signed by none that is trusted");
  return trust;
}

function documentOf(text: string): Document {
  if (text.length > documentLengthMax) throw damaged();
  const document = parseJson(text) as Partial<Document> | null;
  if (typeof document?.body !== 'string' || !Array.isArray(document.signatures)) throw damaged();
  const isWhole = document.signatures.every(
    (each) => typeof each?.authority === 'string' && typeof each.signature === 'string',
  );
  if (!isWhole || document.signatures.length > 2 * authoritiesMax) throw damaged();
  return document as Document;
}

function trustOf(text: string): Trust {
  const body = parseJson(text) as Partial<Body> | null;
  if (body === null || typeof body.cluster !== 'string' || !Number.isSafeInteger(body.version))
    throw damaged();
  const authorities = stringsOf(body.authorities, authoritiesMax).map((pem) => parseCertificate(pem));
  const isWhole = authorities.every(({ ca, publicKey }) => ca && publicKey.asymmetricKeyType === 'ed25519');
  if (!isWhole || authorities.length === 0) throw damaged();
  return {
    cluster: body.cluster,
    version: body.version!,
    authorities,
    revoked: { nodes: nodesOf(body.revokedNodes), serials: stringsOf(body.revokedSerials, revocationsMax) },
  };
}

function stringsOf(value: unknown, lengthMax: number): readonly string[] {
  if (!Array.isArray(value) || value.length > lengthMax) throw damaged();
  if (!value.every((each) => typeof each === 'string')) throw damaged();
  return value;
}

function nodesOf(value: unknown): readonly NodeId[] {
  if (!Array.isArray(value) || value.length > revocationsMax) throw damaged();
  if (!value.every((each) => Number.isSafeInteger(each) && each > 0)) throw damaged();
  return value.map((each) => nodeId(each));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged();
  }
}

function damaged(): AlopexError {
  return new AlopexError(
    'invalid_authorization_specification',
    "the list of the cluster's authorities is damaged",
  );
}
