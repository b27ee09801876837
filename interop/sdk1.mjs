// The official TypeScript SDK, first generation: `@modelcontextprotocol/sdk` 1.x.

import { auth, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { runSdk } from './lib/sdk-stories.mjs';

const sdk = {
  name: 'sdk1',
  // Discovery is repeated for every authorization, as in applications that do not cache it.
  remembersDiscovery: false,
  // With a refresh token at hand it answers `insufficient_scope` by refreshing, which cannot help.
  stepsUp: false,
  auth,
  create(url, options) {
    return {
      client: new Client({ name: 'interop', version: '1.0.0' }),
      transport: new StreamableHTTPClientTransport(url, options),
    };
  },
  finish: (transport, callback) => transport.finishAuth(callback.get('code')),
  isUnauthorized: (error) => error instanceof UnauthorizedError,
};

export function run(context) {
  return runSdk(context, sdk);
}
