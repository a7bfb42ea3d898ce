import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
  type X509Certificate,
} from 'node:crypto';
import type { Extension as ExtensionType, Name as NameType } from '@peculiar/asn1-x509';
import { AlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { assertClusterName, keyFingerprint, nodeUri, parseCertificate, publicDer } from './certificate.ts';

/** Who signs the keys of a cluster's nodes. PEM; the key is PKCS #8. */
export type Authority = { readonly certificate: string; readonly key: string };

const dayMs = 24 * 3_600_000;
/** So much may a node's clock be behind the signer's. */
const clockSkewMsMax = dayMs;
export const authorityValidMs = 20 * 365 * dayMs;
export const nodeValidMs = 10 * 365 * dayMs;
const requestLengthMax = 16 * 1024;
const ed25519 = '1.3.101.112';
const commonName = '2.5.4.3';

/** Loaded with the first use: keys are signed once in a node's life. */
const schemas = async () => {
  const [asn1, x509, csr] = await Promise.all([
    import('@peculiar/asn1-schema'),
    import('@peculiar/asn1-x509'),
    import('@peculiar/asn1-csr'),
  ]);
  return { ...asn1.default, ...x509.default, ...csr.default };
};
type Schemas = Awaited<ReturnType<typeof schemas>>;

/** A new Ed25519 key, PEM. */
export function makeNodeKey(): string {
  const { privateKey } = generateKeyPairSync('ed25519');
  return privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
}

/** An authority of a cluster: its key, and a certificate that it has signed itself. */
export async function createAuthority(cluster: string, nowMs: number): Promise<Authority> {
  assertClusterName(cluster);
  const asn = await schemas();
  const key = createPrivateKey(makeNodeKey());
  const name = nameOfAuthority(asn, cluster, key);
  const certificate = signCertificate(asn, {
    issuer: name,
    subject: name,
    publicKey: key,
    signingKey: key,
    fromMs: nowMs - clockSkewMsMax,
    untilMs: nowMs + authorityValidMs,
    extensions: [
      extension(
        asn,
        asn.id_ce_basicConstraints,
        new asn.BasicConstraints({ cA: true, pathLenConstraint: 0 }),
        true,
      ),
      extension(asn, asn.id_ce_keyUsage, new asn.KeyUsage(asn.KeyUsageFlags.keyCertSign), true),
    ],
  });
  return { certificate, key: key.export({ format: 'pem', type: 'pkcs8' }) as string };
}

/** PKCS #10, PEM: proves that who asks has the key. What the key is for, the signer says. */
export async function makeRequest(keyPem: string): Promise<string> {
  const asn = await schemas();
  const key = createPrivateKey(keyPem);
  const info = new asn.CertificationRequestInfo({
    subject: new asn.Name(),
    subjectPKInfo: publicKeyInfo(asn, key),
    attributes: new asn.Attributes(),
  });
  const request = new asn.CertificationRequest({
    certificationRequestInfo: info,
    signatureAlgorithm: new asn.AlgorithmIdentifier({ algorithm: ed25519 }),
    signature: signatureOf(asn, info, key),
  });
  return pem('CERTIFICATE REQUEST', asn.AsnConvert.serialize(request));
}

/** The certificate, PEM, that a node's key is its key. Throws invalid_parameter_value for a request that is none. */
export async function signNode(
  authority: Authority,
  request: string,
  options: {
    readonly cluster: string;
    readonly node: NodeId;
    readonly nowMs: number;
    readonly validMs?: number;
  },
): Promise<string> {
  const { cluster, node, nowMs, validMs = nodeValidMs } = options;
  assertClusterName(cluster);
  const asn = await schemas();
  const publicKey = requestedKey(asn, request);
  const signingKey = createPrivateKey(authority.key);
  const untilMs = Math.min(nowMs + validMs, Date.parse(parseCertificate(authority.certificate).validTo));
  return signCertificate(asn, {
    issuer: nameOfAuthority(asn, cluster, signingKey),
    subject: distinguishedName(asn, `Alopex DB node ${node}`),
    publicKey,
    signingKey,
    fromMs: Math.min(nowMs, untilMs) - clockSkewMsMax,
    untilMs,
    extensions: [
      extension(asn, asn.id_ce_basicConstraints, new asn.BasicConstraints(), true),
      extension(asn, asn.id_ce_keyUsage, new asn.KeyUsage(asn.KeyUsageFlags.digitalSignature), true),
      extension(
        asn,
        asn.id_ce_extKeyUsage,
        new asn.ExtendedKeyUsage([asn.id_kp_serverAuth, asn.id_kp_clientAuth]),
        false,
      ),
      extension(
        asn,
        asn.id_ce_subjectAltName,
        new asn.SubjectAlternativeName([
          new asn.GeneralName({ uniformResourceIdentifier: nodeUri({ cluster, node }) }),
        ]),
        false,
      ),
    ],
  });
}

/** Whether a key is the one of a certificate. */
export function isKeyOf(keyPem: string, certificate: X509Certificate): boolean {
  return certificate.checkPrivateKey(createPrivateKey(keyPem));
}

/** Throws invalid_parameter_value for what is no request. */
export async function requireRequest(request: string): Promise<void> {
  requestedKey(await schemas(), request);
}

function requestedKey(asn: Schemas, request: string): KeyObject {
  const refuse = (cause?: unknown) =>
    new AlopexError('invalid_parameter_value', 'this is no request for a certificate of an Ed25519 key', {
      cause,
    });
  if (request.length > requestLengthMax) throw refuse();
  const body = /-----BEGIN CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE REQUEST-----/.exec(
    request,
  )?.[1];
  if (body === undefined) throw refuse();
  let parsed: InstanceType<Schemas['CertificationRequest']>;
  let key: KeyObject;
  try {
    parsed = asn.AsnConvert.parse(Buffer.from(body, 'base64'), asn.CertificationRequest);
    const info = asn.AsnConvert.serialize(parsed.certificationRequestInfo.subjectPKInfo);
    key = createPublicKey({ key: Buffer.from(info), format: 'der', type: 'spki' });
  } catch (cause) {
    throw refuse(cause);
  }
  const signed = parsed.certificationRequestInfoRaw;
  const isOwn =
    key.asymmetricKeyType === 'ed25519' &&
    signed !== undefined &&
    verify(null, Buffer.from(signed), key, Buffer.from(parsed.signature));
  if (!isOwn) throw refuse();
  return key;
}

type ToSign = {
  readonly issuer: NameType;
  readonly subject: NameType;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly extensions: readonly ExtensionType[];
};

function signCertificate(asn: Schemas, toSign: ToSign): string {
  const serial = randomBytes(16);
  // A positive number that has no zero in front.
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  const algorithm = new asn.AlgorithmIdentifier({ algorithm: ed25519 });
  const subjectKey = new asn.SubjectKeyIdentifier(keyIdentifier(toSign.publicKey));
  const issuerKey = new asn.AuthorityKeyIdentifier({
    keyIdentifier: new asn.KeyIdentifier(keyIdentifier(toSign.signingKey)),
  });
  const body = new asn.TBSCertificate({
    version: asn.Version.v3,
    serialNumber: bufferOf(serial),
    signature: algorithm,
    issuer: toSign.issuer,
    validity: new asn.Validity({ notBefore: new Date(toSign.fromMs), notAfter: new Date(toSign.untilMs) }),
    subject: toSign.subject,
    subjectPublicKeyInfo: publicKeyInfo(asn, toSign.publicKey),
    extensions: new asn.Extensions([
      ...toSign.extensions,
      extension(asn, asn.id_ce_subjectKeyIdentifier, subjectKey, false),
      extension(asn, asn.id_ce_authorityKeyIdentifier, issuerKey, false),
    ]),
  });
  const certificate = new asn.Certificate({
    tbsCertificate: body,
    signatureAlgorithm: algorithm,
    signatureValue: signatureOf(asn, body, toSign.signingKey),
  });
  return pem('CERTIFICATE', asn.AsnConvert.serialize(certificate));
}

function signatureOf(asn: Schemas, value: unknown, key: KeyObject): ArrayBuffer {
  return bufferOf(sign(null, Buffer.from(asn.AsnConvert.serialize(value)), key));
}

/** Two authorities of one cluster have two names, so that a verifier does not take one for the other. */
function nameOfAuthority(asn: Schemas, cluster: string, key: KeyObject): NameType {
  return distinguishedName(asn, `Alopex DB ${cluster} ${keyFingerprint(key).slice(0, 8)}`);
}

function distinguishedName(asn: Schemas, text: string): NameType {
  const value = new asn.AttributeValue({ utf8String: text });
  const attribute = new asn.AttributeTypeAndValue({ type: commonName, value });
  return new asn.Name([new asn.RelativeDistinguishedName([attribute])]);
}

function extension(asn: Schemas, extnID: string, value: unknown, critical: boolean): ExtensionType {
  const extnValue = new asn.OctetString(asn.AsnConvert.serialize(value));
  return new asn.Extension({ extnID, critical, extnValue });
}

function publicKeyInfo(asn: Schemas, key: KeyObject) {
  return asn.AsnConvert.parse(publicDer(key), asn.SubjectPublicKeyInfo);
}

function keyIdentifier(key: KeyObject): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(keyFingerprint(key).slice(0, 40), 'hex'));
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

function pem(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
