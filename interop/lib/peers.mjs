// MCP servers behind authorization servers that others made, which approve without a person.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import express from 'express';
import * as mos from 'mcp-oauth-server';
import OidcProvider from 'oidc-provider';
import { InvalidGrantError, InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { getOAuthProtectedResourceMetadataUrl, mcpAuthRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

const SCOPES = ['mcp:tools', 'mcp:write'];

const seconds = () => Math.floor(Date.now() / 1000);

/**
 * What the SDK leaves to its user: approves by itself, keeps everything in memory, and closes a grant
 * whose refresh token comes twice.
 */
class Provider {
  #clients = new Map();
  #codes = new Map();
  #tokens = new Map();
  #refresh = new Map();

  constructor(lifetime, replayed) {
    this.lifetime = lifetime;
    this.replayed = replayed;
  }

  get clientsStore() {
    return {
      getClient: (id) => this.#clients.get(id),
      registerClient: (client) => {
        this.#clients.set(client.client_id, client);
        return client;
      },
    };
  }

  async authorize(client, params, response) {
    const code = randomUUID();
    this.#codes.set(code, { client, params });
    const to = new URL(params.redirectUri);
    to.searchParams.set('code', code);
    if (params.state !== undefined) to.searchParams.set('state', params.state);
    response.redirect(to.href);
  }

  async challengeForAuthorizationCode(_client, code) {
    return this.#code(code).params.codeChallenge;
  }

  async exchangeAuthorizationCode(client, code) {
    const { params } = this.#code(code);
    this.#codes.delete(code);
    return this.#issue(client, params.scopes ?? [], params.resource, { closed: false });
  }

  async exchangeRefreshToken(client, token) {
    const held = this.#refresh.get(token);
    if (!held || held.grant.closed) throw new InvalidGrantError('not a refresh token');
    if (held.spent) {
      this.replayed();
      held.grant.closed = true;
      throw new InvalidGrantError('used before');
    }
    held.spent = true;
    return this.#issue(client, held.scopes, held.resource, held.grant);
  }

  async verifyAccessToken(token) {
    const held = this.#tokens.get(token);
    if (!held || held.grant.closed || held.expiresAt <= seconds()) throw new InvalidTokenError('not a token');
    return held;
  }

  async revokeToken(_client, { token }) {
    const held = this.#tokens.get(token) ?? this.#refresh.get(token);
    if (held) held.grant.closed = true;
  }

  #code(code) {
    const held = this.#codes.get(code);
    if (!held) throw new InvalidGrantError('not a code');
    return held;
  }

  #issue(client, scopes, resource, grant) {
    const [access, refresh] = [randomUUID(), randomUUID()];
    const expiresAt = seconds() + this.lifetime;
    this.#tokens.set(access, { token: access, clientId: client.client_id, scopes, resource, expiresAt, grant });
    this.#refresh.set(refresh, { scopes, resource, grant });
    return {
      access_token: access,
      refresh_token: refresh,
      token_type: 'bearer',
      expires_in: this.lifetime,
      scope: scopes.join(' '),
    };
  }
}

/** A protected MCP server and its authorization server on one port. */
class Peer {
  #server;
  replayed = 0;

  static async start(mount) {
    const app = express();
    const peer = new Peer();
    peer.#server = app.listen(0, '127.0.0.1');
    await once(peer.#server, 'listening');
    peer.origin = `http://127.0.0.1:${peer.#server.address().port}`;
    peer.mcp = `${peer.origin}/mcp`;
    // Gives the middleware that asks for a token with these scopes.
    const needs = mount(app, peer);
    app.use('/mcp', express.json(), (request, response, next) => {
      const tool = request.body?.method === 'tools/call' && request.body.params?.name;
      return needs(tool === 'write_note' ? SCOPES : SCOPES.slice(0, 1))(request, response, next);
    });
    app.all('/mcp', async (request, response) => {
      // One of each for every request: no sessions.
      const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
      response.on('close', () => transport.close());
      await tools().connect(transport);
      await transport.handleRequest(request, response, request.body);
    });
    return peer;
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** The authorization server of the official TypeScript SDK (1.x): its router and its bearer check. */
export function sdkRouter(lifetime) {
  return Peer.start((app, peer) => {
    const provider = new Provider(lifetime, () => (peer.replayed += 1));
    const resource = new URL(peer.mcp);
    const issuerUrl = new URL(peer.origin);
    app.use(mcpAuthRouter({ provider, issuerUrl, resourceServerUrl: resource, scopesSupported: SCOPES }));
    const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(resource);
    return (requiredScopes) => requireBearerAuth({ verifier: provider, requiredScopes, resourceMetadataUrl });
  });
}

/** The package `mcp-oauth-server`, whose consent page approves by itself. */
export function mcpOAuthServer(lifetime) {
  return Peer.start((app, peer) => {
    const resource = new URL(peer.mcp);
    const provider = new mos.OAuthServer({
      issuerUrl: new URL(peer.origin),
      authorizationUrl: new URL(`${peer.origin}/consent`),
      resourceServerUrl: resource,
      scopesSupported: SCOPES,
      accessTokenLifetime: lifetime,
    });
    app.use(mos.mcpAuthRouter({ provider, resourceServerUrl: resource }));
    // As if a person had pressed the button at once.
    const pressed = (request, _response, next) => {
      request.method = 'POST';
      request.body = { ...request.query };
      next();
    };
    app.use('/consent', pressed, mos.authenticateHandler({ provider, getUser: () => 'it', rateLimit: false }));
    const resourceMetadataUrl = mos.getOAuthProtectedResourceMetadataUrl(resource);
    return (requiredScopes) => mos.requireBearerAuth({ verifier: provider, requiredScopes, resourceMetadataUrl, resource });
  });
}

/** The package `oidc-provider`, which knows OpenID Connect's metadata; its pages press their buttons. */
export function oidcProvider(lifetime) {
  return Peer.start((app, peer) => {
    const provider = new OidcProvider(peer.origin, {
      cookies: { keys: [randomUUID()] },
      features: {
        deviceFlow: { enabled: true },
        devInteractions: { enabled: false },
        registration: { enabled: true },
        revocation: { enabled: true },
        resourceIndicators: {
          enabled: true,
          useGrantedResource: () => true,
          getResourceServerInfo: (_context, audience) => ({
            audience,
            scope: SCOPES.join(' '),
            accessTokenTTL: lifetime,
            accessTokenFormat: 'opaque',
          }),
        },
      },
      findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
      interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
      issueRefreshToken: (_context, client) => client.grantTypeAllowed('refresh_token'),
      rotateRefreshToken: true,
    });
    app.get('/interaction/:uid', async (request, response) => {
      const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
      const consented = async () => {
        const known = grantId && (await provider.Grant.find(grantId));
        const grant = known || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
        const { missingOIDCScope, missingResourceScopes = {} } = prompt.details;
        if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
        for (const [resource, scopes] of Object.entries(missingResourceScopes)) grant.addResourceScope(resource, scopes.join(' '));
        return { consent: { grantId: await grant.save() } };
      };
      const result = prompt.name === 'login' ? { login: { accountId: 'it' } } : await consented();
      await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
    });
    const document = '/.well-known/oauth-protected-resource/mcp';
    app.get(document, (_request, response) => {
      response.json({ resource: peer.mcp, authorization_servers: [peer.origin], scopes_supported: SCOPES });
    });
    const callback = provider.callback();
    app.use((request, response, next) => (request.path === '/mcp' ? next() : callback(request, response)));
    const verifier = {
      async verifyAccessToken(token) {
        const held = await provider.AccessToken.find(token);
        if (held?.aud !== peer.mcp) throw new InvalidTokenError('not a token');
        return { token, clientId: held.clientId, scopes: held.scope.split(' '), expiresAt: held.exp };
      },
    };
    const resourceMetadataUrl = `${peer.origin}${document}`;
    return (requiredScopes) => requireBearerAuth({ verifier, requiredScopes, resourceMetadataUrl });
  });
}

function tools() {
  const server = new McpServer({ name: 'router', version: '1.0.0' });
  const say = (text) => ({ content: [{ type: 'text', text }] });
  server.registerTool('whoami', {}, ({ authInfo }) => say(JSON.stringify({ scopes: authInfo.scopes })));
  server.registerTool('write_note', { annotations: { destructiveHint: true } }, () => say('kept'));
  return server;
}
