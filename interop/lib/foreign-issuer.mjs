// An authorization server that others made, the npm package oidc-provider, with one person, alice,
// who is signed in by being asked; and the flows by which a client gets tokens of it.

import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { Provider } from 'oidc-provider';
import { Browser } from './browser.mjs';

const CALLBACK = 'https://app.example/callback';
const SCOPES = 'mcp:tools mcp:write mcp:other';

export class ForeignIssuer {
  name;
  /** How many seconds its next tokens live. */
  lifetime = 300;
  /** Its private key, so that a test can sign what its issuer never would. */
  key;
  #server;
  /** Resources whose tokens are signed; those of all others are opaque. */
  #signed = new Set();

  async start() {
    this.#server = http.createServer().listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.name = `http://127.0.0.1:${this.#server.address().port}`;
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.key = { privateKey, kid: 'of-the-issuer' };
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const provider = new Provider(this.name, {
      clients: [
        {
          client_id: 'app',
          token_endpoint_auth_method: 'none',
          redirect_uris: [CALLBACK],
          grant_types: ['authorization_code', 'refresh_token'],
          response_types: ['code'],
        },
        client('machine', ['client_credentials']),
        client('mcp-server', []),
      ],
      jwks: {
        keys: [
          { ...privateKey.export({ format: 'jwk' }), kid: this.key.kid, alg: 'ES256', use: 'sig' },
          { ...rsa.export({ format: 'jwk' }), kid: 'rsa', use: 'sig' },
        ],
      },
      cookies: { keys: [randomBytes(16).toString('hex')] },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        introspection: { enabled: true, allowedPolicy: (_, asking) => asking.clientId === 'mcp-server' },
        revocation: { enabled: true, allowedPolicy: (_, asking, token) => token.clientId === asking.clientId },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => undefined,
          useGrantedResource: () => true,
          getResourceServerInfo: (_, resource) => {
            const info = { scope: SCOPES, audience: resource, accessTokenTTL: this.lifetime };
            if (!this.#signed.has(resource)) return { ...info, accessTokenFormat: 'opaque' };
            return { ...info, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
          },
        },
      },
      interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
      issueRefreshToken: () => true,
      loadExistingGrant: (ctx) => grantAll(ctx),
      ttl: {
        ...Object.fromEntries(['AuthorizationCode', 'Grant', 'IdToken', 'Interaction', 'RefreshToken', 'Session'].map((kind) => [kind, 300])),
        AccessToken: (_, token) => token.resourceServer?.accessTokenTTL ?? this.lifetime,
        ClientCredentials: (_, token) => token.resourceServer?.accessTokenTTL ?? this.lifetime,
      },
    });
    const others = provider.callback();
    this.#server.on('request', async (request, response) => {
      if (!request.url.startsWith('/interaction/')) return others(request, response);
      const { prompt } = await provider.interactionDetails(request, response);
      assert.equal(prompt.name, 'login');
      return provider.interactionFinished(request, response, { login: { accountId: 'alice' } });
    });
  }

  /** From now on it signs the tokens for this resource. */
  signsFor(resource) {
    this.#signed.add(resource);
  }

  /** Everything the token endpoint answers a client that alice lets act for her. */
  async signIn(resource, scope = 'openid mcp:tools') {
    // Without a resource the token is for its own endpoint about people.
    const verifier = randomBytes(32).toString('base64url');
    const query = new URLSearchParams({
      client_id: 'app',
      response_type: 'code',
      redirect_uri: CALLBACK,
      scope,
      ...(resource && { resource }),
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    const { callback } = await new Browser().open(`${this.name}/auth?${query}`, CALLBACK);
    const code = callback?.searchParams.get('code');
    assert.ok(code, `a code, not ${callback}`);
    const form = { grant_type: 'authorization_code', client_id: 'app', code, redirect_uri: CALLBACK };
    return { code, ...(await this.#token({ ...form, code_verifier: verifier, ...(resource && { resource }) })) };
  }

  /** A token for a client that acts for itself. */
  async machineToken(resource, scope = 'mcp:tools') {
    const form = { grant_type: 'client_credentials', client_id: 'machine', client_secret: 'machine-secret', scope };
    return (await this.#token({ ...form, ...(resource && { resource }) })).access_token;
  }

  async revoke(token) {
    const answer = await this.#post('/token/revocation', { token, client_id: 'app' });
    assert.equal(answer.status, 200, 'status of the revocation');
  }

  async #token(form) {
    const answer = await this.#post('/token', form);
    const body = await answer.json();
    assert.equal(answer.status, 200, JSON.stringify(body));
    return body;
  }

  #post(at, form) {
    return fetch(`${this.name}${at}`, { method: 'POST', body: new URLSearchParams(form) });
  }

  stop() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}

function client(name, grants) {
  return {
    client_id: name,
    client_secret: `${name}-secret`,
    redirect_uris: [],
    response_types: [],
    grant_types: grants,
    token_endpoint_auth_method: name === 'machine' ? 'client_secret_post' : 'client_secret_basic',
  };
}

/** Alice says yes to everything, so nobody is asked for consent. */
async function grantAll(ctx) {
  const { client: asking, session, params, provider } = ctx.oidc;
  const grant = new provider.Grant({ clientId: asking.clientId, accountId: session.accountId });
  grant.addOIDCScope('openid');
  for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, SCOPES);
  await grant.save();
  return grant;
}
