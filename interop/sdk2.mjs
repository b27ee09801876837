// The official TypeScript SDK, second generation: `@modelcontextprotocol/client` 2.x. It checks the
// issuer of the metadata (RFC 8414 §3.3) and of the redirect back (RFC 9207), and asks for a wider
// scope when a tool needs one.

import assert from 'node:assert/strict';
import {
  auth,
  Client,
  IssuerMismatchError,
  OAuthError,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';
import { runSdk } from './lib/sdk-stories.mjs';

const sdk = {
  name: 'sdk2',
  // The SDK ties the redirect back to the server that it discovered before.
  remembersDiscovery: true,
  stepsUp: true,
  auth,
  create(url, options) {
    return {
      // `auto` tries the revision of 2026-07-28 first and falls back to the handshake before it.
      client: new Client({ name: 'interop', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } }),
      transport: new StreamableHTTPClientTransport(url, options),
    };
  },
  async finish(transport, callback) {
    if (callback.has('code')) {
      // A redirect that names another issuer is refused before the code is spent.
      const forged = new URLSearchParams(callback);
      forged.set('iss', 'http://127.0.0.1:9/elsewhere');
      await assert.rejects(transport.finishAuth(forged), (error) => error instanceof IssuerMismatchError);
    }
    await transport.finishAuth(callback);
  },
  isUnauthorized: (error) => error instanceof UnauthorizedError,
  isDenial: (error) => error instanceof OAuthError && error.code === 'access_denied',
};

export function run(context) {
  return runSdk(context, sdk);
}
