import { expect } from 'chai';
import type { JoinRequest } from '../../api/database/replication.ts';
import { ServedDatabase } from '../../api/pgwire/test-kit/served-database.ts';
import { AlopexError } from '../../base/errors.ts';
import { nodeId } from '../../base/ids.ts';
import { requestJoin } from './join.ts';

describe('requestJoin', () => {
  it('brings the request to the server, and its answer or its refusal back', async () => {
    const served = await ServedDatabase.open();
    const asked: JoinRequest[] = [];
    const notHere = async (): Promise<never> => {
      throw new TypeError('it is not asked for this');
    };
    served.engine.clusterAdmin = {
      join: async (request) => {
        asked.push(request);
        if (request.token === 'old') {
          throw new AlopexError('invalid_authorization_specification', 'the token has expired');
        }
        return {
          node: nodeId(2),
          cluster: 'c',
          certificate: 'C',
          authority: 'A',
          transport: 'tls',
          members: [],
        };
      },
      createJoinToken: notHere,
      enable: notHere,
      promote: notHere,
      demote: notHere,
      setMode: notHere,
      remove: notHere,
      nodes: async () => [],
      verify: notHere,
    };
    const url = `postgresql://127.0.0.1:${served.port}`;
    const request = {
      role: 'replica',
      transports: ['tls', 'quic'],
      certificateRequest: "-----BEGIN 'x'-----\n",
      mesh: 'h:7433',
      client: 'h:5433',
      token: null,
    } as const;
    expect(await requestJoin(url, request)).to.include({ node: 2, certificate: 'C' });
    expect(asked).to.deep.equal([{ ...request, isLoopback: true }]);
    const refused = await requestJoin(url, { ...request, token: 'old' }).catch((error: unknown) => error);
    expect(refused).to.include({ code: '28000', message: 'the token has expired' });
    await served.close();
  });
});
