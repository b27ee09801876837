// The application's half of an SDK's OAuth client, in memory. Both generations of the SDK ask for
// the same methods; opening a browser is left to the test, which finds the address here.

import { randomBytes } from 'node:crypto';

export class MemoryProvider {
  redirectUrl;
  clientMetadata;
  /** The address of the last authorization request, and its `state`; cleared by `takeRequest`. */
  authorizationUrl;
  lastState;
  client;
  stored;
  /** Every verifier that was made. */
  verifiers = [];
  #verifier;

  /**
   * `method`: the authentication method to register with, or undefined to say nothing of it.
   * `clientMetadataUrl`: the address of a document about the client, if there is one.
   */
  constructor({ redirectUrl, name, method, clientMetadataUrl, remembersDiscovery }) {
    this.redirectUrl = redirectUrl;
    this.clientMetadataUrl = clientMetadataUrl;
    this.clientMetadata = {
      client_name: name,
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      ...(method && { token_endpoint_auth_method: method }),
    };
    if (remembersDiscovery) {
      let state;
      this.saveDiscoveryState = (value) => (state = value);
      this.discoveryState = () => state;
    }
  }

  state() {
    this.lastState = randomBytes(16).toString('base64url');
    return this.lastState;
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(client) {
    this.client = client;
  }

  tokens() {
    return this.stored;
  }

  saveTokens(tokens) {
    this.stored = tokens;
  }

  redirectToAuthorization(url) {
    this.authorizationUrl = url;
  }

  saveCodeVerifier(verifier) {
    this.#verifier = verifier;
    this.verifiers.push(verifier);
  }

  codeVerifier() {
    return this.#verifier;
  }

  invalidateCredentials(what) {
    if (what === 'all' || what === 'client') this.client = undefined;
    if (what === 'all' || what === 'tokens') this.stored = undefined;
    if (what === 'all' || what === 'verifier') this.#verifier = undefined;
  }

  /** The authorization request that the client made since the last call, if any. */
  takeRequest() {
    const url = this.authorizationUrl;
    this.authorizationUrl = undefined;
    return url;
  }
}
