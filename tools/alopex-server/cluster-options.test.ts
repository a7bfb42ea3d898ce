import { expect } from 'chai';
import type { AlopexError } from '../../base/errors.ts';
import { serverOptions } from './options.ts';

describe('options of a cluster', () => {
  it('are those of topologies: a replica finds the rest by its primary', () => {
    expect(serverOptions({}, {}).cluster).to.deep.equal({
      mode: null,
      primary: null,
      joinToken: null,
      meshPort: 7432,
      meshTransport: null,
      advertise: 'localhost',
    });
    const replica = serverOptions({ mode: 'replica', primary: 'localhost:5432', port: '5433' }, {});
    expect(replica.data).to.equal('./data-5433');
    expect(replica.cluster).to.include({
      mode: 'replica',
      primary: 'postgresql://alopex@localhost:5432/alopex',
      meshPort: 7433,
    });
    const elsewhere = serverOptions(
      {
        mode: 'witness',
        primary: 'postgresql://u:p@[fe80::1]:5/alopex',
        listen: '10.0.0.2',
        'mesh-port': '1',
      },
      { ALOPEX_JOIN_TOKEN: 'secret' },
    );
    expect(elsewhere.cluster).to.include({ joinToken: 'secret', advertise: '10.0.0.2', meshPort: 1 });
    expect(serverOptions({ mode: 'primary', data: './primary' }, {}).data).to.equal('./primary');
  });

  for (const [given, message] of [
    [{ mode: 'follower' }, 'option mode is "follower", and must be primary, replica, witness'],
    [{ mode: 'replica' }, 'mode replica needs --primary'],
    [{ primary: 'h:1' }, 'option primary goes with --mode replica or --mode witness'],
    [{ mode: 'primary', 'join-token': 'x' }, 'option join-token goes with --mode replica or --mode witness'],
    [{ mode: 'replica', primary: 'h' }, 'option primary is "h", and must be host:port'],
    [{ 'mesh-transport': 'tcp' }, 'option mesh-transport is "tcp", and must be tls, quic'],
    [
      { mode: 'replica', primary: 'h:1', 'mesh-transport': 'quic' },
      'option mesh-transport does not go with mode replica',
    ],
    [{ 'mesh-port': '70000' }, 'option mesh-port is "70000", and must be a whole number from 0 to 65535'],
  ] as const) {
    it(`refuse ${JSON.stringify(given)}`, () => {
      expect(() => serverOptions(given, {}))
        .to.throw(message)
        .with.property('code', 'F0000' satisfies AlopexError['code']);
    });
  }
});
