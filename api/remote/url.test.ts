import { expect } from 'chai';
import { AlopexError } from '../../base/errors.ts';
import { parseServerUrl } from './url.ts';

describe('parseServerUrl', () => {
  it('reads hosts, credentials, database and parameters', () => {
    expect(
      parseServerUrl(
        'postgresql://us%40er:p%3Aw:x@h1:6000,[::1],h3:7/d%20b?sslmode=verify-full&sslrootcert=/ca.pem&target_session_attrs=read-write&connect_timeout=3&application_name=me&options=-c%20a%3Db',
      ),
    ).to.deep.equal({
      hosts: [
        { host: 'h1', port: 6000 },
        { host: '::1', port: 5432 },
        { host: 'h3', port: 7 },
      ],
      user: 'us@er',
      password: 'p:w:x',
      database: 'd b',
      sslMode: 'verify-full',
      sslRootCertificate: '/ca.pem',
      sessionAttributes: 'read-write',
      connectMsMax: 3000,
      settings: { application_name: 'me', options: '-c a=b' },
    });
  });

  it('has defaults for all of it', () => {
    expect(parseServerUrl('postgres://')).to.deep.equal({
      hosts: [{ host: 'localhost', port: 5432 }],
      user: 'alopex',
      password: null,
      database: 'alopex',
      sslMode: 'prefer',
      sslRootCertificate: null,
      sessionAttributes: 'any',
      connectMsMax: 10_000,
      settings: {},
    });
  });

  for (const [url, message] of [
    ['http://h', 'invalid connection URI'],
    ['postgresql://h:x', 'invalid host'],
    ['postgresql://h:70000', 'invalid host'],
    ['postgresql://h?sslmode=no', 'invalid sslmode value: "no"'],
    ['postgresql://h?target_session_attrs=replica', 'invalid target_session_attrs value'],
    ['postgresql://h?connect_timeout=-1', 'invalid connect_timeout value'],
    ['postgresql://h?frobnicate=1', 'invalid URI query parameter: "frobnicate"'],
    ['postgresql://%zz@h', 'invalid percent-encoding'],
    [`postgresql://${'h,'.repeat(64)}h`, 'at most 64 hosts'],
  ] as const) {
    it(`refuses ${url.slice(0, 50)}`, () => {
      expect(() => parseServerUrl(url))
        .to.throw(AlopexError, message)
        .with.property('code', '22023');
    });
  }

  it('repeats no password', () => {
    expect(() => parseServerUrl('postgresql//user:secret@h'))
      .to.throw()
      .with.property('message')
      .that.does.not.include('secret');
  });
});
