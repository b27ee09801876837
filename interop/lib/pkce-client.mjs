// A tiny OAuth client of our own: a loopback listener, registration, PKCE and the token request.
// The Chromium suite uses it, so that nothing but the pages is under test there.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { eventually } from './report.mjs';

const REDIRECT_LIMIT_MS = 10_000;

export class PkceClient {
  origin;
  redirectUri;
  clientId;
  metadata;
  #listener;
  #server;
  #received = [];

  /** Listens on a free loopback port, discovers the server and registers. */
  static async register(server, name) {
    const client = new PkceClient();
    client.#server = server;
    client.#listener = http.createServer((request, answer) => client.#serve(request, answer));
    client.#listener.listen(0, '127.0.0.1');
    await once(client.#listener, 'listening');
    client.origin = `http://127.0.0.1:${client.#listener.address().port}`;
    client.redirectUri = `${client.origin}/callback`;
    client.metadata = await (await fetch(server.metadataUrl)).json();
    const answer = await fetch(client.metadata.registration_endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(client.registration(name)),
    });
    assert.equal(answer.status, 201, 'status of the registration');
    client.clientId = (await answer.json()).client_id;
    return client;
  }

  registration(name) {
    return {
      client_name: name,
      redirect_uris: [this.redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  close() {
    this.#listener.closeAllConnections();
    this.#listener.close();
  }

  #serve(request, answer) {
    const url = new URL(request.url, this.origin);
    const isRedirect = url.pathname === '/callback';
    if (isRedirect) this.#received.push(url.searchParams);
    answer.writeHead(isRedirect || url.pathname === '/' ? 200 : 404, { 'content-type': 'text/html; charset=utf-8' });
    answer.end('<!doctype html><html lang="en"><title>Back in the application</title><p>Back in the application.</p>');
  }

  /** A new authorization request. */
  begin(scope = 'mcp:tools') {
    const verifier = randomBytes(32).toString('base64url');
    const state = randomBytes(16).toString('base64url');
    this.#server.secret(verifier);
    const url = new URL(this.metadata.authorization_endpoint);
    url.search = new URLSearchParams({
      response_type: 'code',
      client_id: this.clientId,
      redirect_uri: this.redirectUri,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      resource: this.#server.mcp,
      scope,
      state,
    });
    return { url, state, verifier };
  }

  /** All redirects back for one request, waiting until there are `count`. */
  async redirects({ state }, count = 1) {
    const mine = () => this.#received.filter((parameters) => parameters.get('state') === state);
    await eventually(`redirect ${count} with the state of the request`, REDIRECT_LIMIT_MS, () => mine().length >= count);
    for (const parameters of mine()) {
      assert.equal(parameters.get('iss'), this.metadata.issuer, 'iss is the issuer');
      this.#server.secret(parameters.get('code'));
    }
    return mine();
  }

  /** Redeems a code. */
  async redeem({ verifier }, code) {
    assert.ok(code, 'there is a code');
    const body = new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      code_verifier: verifier,
      redirect_uri: this.redirectUri,
      client_id: this.clientId,
      resource: this.#server.mcp,
    });
    const answer = await fetch(this.metadata.token_endpoint, { method: 'POST', body });
    const tokens = await answer.json();
    assert.equal(answer.status, 200, `status of the token request: ${tokens.error} ${tokens.error_description ?? ''}`);
    this.#server.secret(tokens.access_token, tokens.refresh_token);
    return tokens;
  }
}
