// What both generations of the SDK have to manage against the server, told once. An SDK is
// described by its suite file:
//
//     { name, remembersDiscovery, connect, auth, finish, isUnauthorized, stepsUp }

import assert from 'node:assert/strict';
import { Browser } from './browser.mjs';
import { serveDocument } from './document.mjs';
import { decide } from './person.mjs';
import { MemoryProvider } from './provider.mjs';
import { withQuickstart } from './quickstart.mjs';
import { recorder } from './recorder.mjs';
import { eventually } from './report.mjs';
import { assertCaller, assertWhoami, whoamiClient, whoamiStatus } from './whoami.mjs';

const ACCESS_TOKEN_LIFETIME = 2;
// How much longer a resource server may take a token for clock skew, with room for a slow machine.
const EXPIRY_LIMIT_MS = (ACCESS_TOKEN_LIFETIME + 8) * 1000;

const NO_RECONNECTION = {
  maxRetries: 0,
  initialReconnectionDelay: 1,
  maxReconnectionDelay: 1,
  reconnectionDelayGrowFactor: 1,
};

const REGISTRATIONS = [
  { title: 'public client', method: 'none', redirectUrl: 'http://127.0.0.1:33418/callback' },
  { title: 'client_secret_post', method: 'client_secret_post', redirectUrl: 'http://localhost:33418/callback' },
  { title: 'client_secret_basic', method: 'client_secret_basic', redirectUrl: 'http://127.0.0.1:33419/oauth/callback' },
  // RFC 7591 §2: the default is client_secret_basic, and the answer has to say so.
  { title: 'no method named', method: undefined, redirectUrl: 'http://localhost:33419/callback?from=interop' },
];

/** All stories of one SDK, for an issuer without and one with a path, which run side by side. */
export async function runSdk(context, sdk) {
  await Promise.all(
    [undefined, '/auth/v1'].flatMap((issuerPath) => {
      const label = `${sdk.name}, issuer ${issuerPath ?? 'without path'}`;
      // Where nothing else is named, one of them in memory and one on the file that is the default.
      const store = issuerPath && 'memory';
      const options = { issuerPath, accessTokenLifetime: ACCESS_TOKEN_LIFETIME, store };
      return [
        withQuickstart(context, label, options, async (server) => {
          const lives = REGISTRATIONS.map((registration) => life(context, label, sdk, server, registration));
          await Promise.all([...lives, refusal(context, label, sdk, server)]);
        }),
        withQuickstart(context, `${label}, restart`, { issuerPath, store: 'interop.sqlite' }, (server) =>
          restart(context, label, sdk, server),
        ),
        documented(context, label, sdk, issuerPath),
      ];
    }),
  );
}

/** One client's life: registration, sign-in, calls, refresh, revocation, sign-in again. */
async function life({ report }, label, sdk, server, { title, method, redirectUrl }) {
  const person = new Person(sdk, server, { redirectUrl, name: `Interop ${title}`, method });
  const { provider, requests } = person;
  let connection;

  await report.story(`${label}, ${title}`, [
    ['401, discovery, registration and PKCE lead to the authorization page', async () => {
      await assert.rejects(person.connect(), sdk.isUnauthorized);
      assertDiscovery(server, requests);
      assertRegistration(requests, provider, method);
      assertAuthorizationRequest(server, provider);
    }],
    ['login and consent lead back with code, state and iss', async () => {
      const { pages } = await person.decide('approve');
      assert.deepEqual(pages, ['login', 'consent']);
    }],
    ['the code is redeemed, and the tools answer', async () => {
      await person.finish();
      assertClientAuthentication(requests, provider);
      connection = await person.connect();
      await person.assertWhoamiTool(connection);
      await assertWhoami(server, provider.tokens().access_token, provider.tokens().scope);
    }],
    ['the one tool that needs mcp:write is refused without it', async () => {
      await person.assertWriteTool(connection);
    }],
    ['the client refreshes by itself once the access token expired', async () => {
      const before = provider.tokens();
      const isExpired = async () => (await whoamiStatus(server, before.access_token)) === 401;
      await eventually('the access token expires', EXPIRY_LIMIT_MS, isExpired);
      await person.assertWhoamiTool(connection);
      const after = provider.tokens();
      assert.notEqual(after.refresh_token, before.refresh_token, 'the refresh token was rotated');
      assert.notEqual(after.access_token, before.access_token);
      assert.equal(provider.takeRequest(), undefined, 'nobody was asked to sign in');
    }],
    ['revoking the refresh token ends the access token at once', async () => {
      assert.equal(await sdk.auth(provider, { serverUrl: server.mcp, fetchFn: requests.fetch }), 'AUTHORIZED');
      const { access_token, refresh_token } = provider.tokens();
      assert.equal(await whoamiStatus(server, access_token), 200, 'status of GET /whoami before');
      await revoke(server, provider.clientInformation(), refresh_token);
      assert.equal(await whoamiStatus(server, access_token), 401, 'status of GET /whoami after');
    }],
    ['the next call asks for a sign-in, after which the tools answer again', async () => {
      await assert.rejects(person.assertWhoamiTool(connection), sdk.isUnauthorized);
      const { pages } = await person.decide('approve');
      assert.deepEqual(pages, ['consent'], 'the browser is still signed in, and consent is asked for again');
      await person.finish(connection);
      await person.assertWhoamiTool(connection);
    }],
    ['the session ends', async () => {
      await connection.transport.terminateSession();
    }],
  ]);
  await connection?.client.close();
  person.remember();
}

/** A person who says no: the client learns it, with state and iss, and gets no code. */
async function refusal({ report }, label, sdk, server) {
  const redirectUrl = 'http://127.0.0.1:33420/callback';
  const person = new Person(sdk, server, { redirectUrl, name: 'Interop denial', method: 'none' });
  await report.story(`${label}, denial`, [
    ['the client comes back with access_denied, state and iss, without a code', async () => {
      await assert.rejects(person.connect(), sdk.isUnauthorized);
      await person.decide('deny');
      assert.equal(person.callback.get('error'), 'access_denied');
      assert.equal(person.callback.get('code'), null);
    }],
    ['the client can ask again, and gets a code', async () => {
      if (sdk.isDenial) await assert.rejects(person.finish(), sdk.isDenial);
      await assert.rejects(person.connect(), sdk.isUnauthorized);
      await person.decide('approve');
      await person.finish();
      await assertWhoami(server, person.provider.tokens().access_token, person.provider.tokens().scope);
    }],
  ]);
  person.remember();
}

/** What was issued survives a restart, and a standing event stream does not hold up the end. */
async function restart({ report }, label, sdk, server) {
  const redirectUrl = 'http://127.0.0.1:33421/callback';
  const person = new Person(sdk, server, { redirectUrl, name: 'Interop restart', method: 'none' });
  const { provider } = person;
  let connection;
  await report.story(`${label}, restart`, [
    ['a client signs in', async () => {
      await assert.rejects(person.connect(), sdk.isUnauthorized);
      await person.decide('approve');
      await person.finish();
      connection = await person.connect();
      await person.assertWhoamiTool(connection);
    }],
    ['SIGTERM ends the server with exit code 0 while a client is connected', async () => {
      await server.stop();
      await connection.client.close();
      connection = undefined;
    }],
    ['it starts again with the same data', async () => {
      await server.startAgain();
    }],
    ['the access token from before is good', async () => {
      await assertWhoami(server, provider.tokens().access_token, provider.tokens().scope);
    }],
    ['the refresh token from before is rotated', async () => {
      const before = provider.tokens();
      assert.equal(await sdk.auth(provider, { serverUrl: server.mcp }), 'AUTHORIZED');
      assert.notEqual(provider.tokens().refresh_token, before.refresh_token);
      await assertWhoami(server, provider.tokens().access_token, provider.tokens().scope);
    }],
    ['the client connects without asking anybody', async () => {
      connection = await person.connect();
      await person.assertWhoamiTool(connection);
      assert.equal(provider.takeRequest(), undefined, 'nobody was asked to sign in');
    }],
  ]);
  await connection?.client.close();
  person.remember();
}

/** A client that registers nowhere: its id is the address of a document about it. */
async function documented(context, label, sdk, issuerPath) {
  const web = await serveDocument('Interop document');
  const options = { issuerPath, trusted: web.certificate };
  await withQuickstart(context, `${label}, document`, options, async (server) => {
    const redirectUrl = 'http://127.0.0.1:33422/callback';
    const person = new Person(sdk, server, { redirectUrl, name: 'Not asked for', clientMetadataUrl: web.url });
    const { provider, requests } = person;
    let connection;
    await context.report.story(`${label}, document`, [
      ['the client names the address of its document, and does not register', async () => {
        await assert.rejects(person.connect(), sdk.isUnauthorized);
        assertDiscovery(server, requests);
        assert.equal(provider.authorizationUrl.searchParams.get('client_id'), web.url);
        assert.deepEqual(requests.log.filter((entry) => /register/.test(entry.url)), []);
      }],
      ['login and consent lead back, the document read once', async () => {
        const { pages } = await person.decide('approve');
        assert.deepEqual(pages, ['login', 'consent']);
        assert.equal(web.asked, 1);
      }],
      ['the tools answer the client of the document', async () => {
        await person.finish();
        connection = await person.connect();
        await person.assertWhoamiTool(connection);
        assert.equal(await whoamiClient(server, provider.tokens().access_token), web.url);
      }],
      ['the client refreshes, and its web server is not needed', async () => {
        const before = provider.tokens();
        assert.equal(await sdk.auth(provider, { serverUrl: server.mcp, fetchFn: requests.fetch }), 'AUTHORIZED');
        assert.notEqual(provider.tokens().refresh_token, before.refresh_token);
        assert.equal(web.asked, 1);
      }],
    ]);
    await connection?.client.close();
    person.remember();
  });
  web.close();
}

/** A person with a browser and an application that uses the SDK. */
class Person {
  provider;
  requests = recorder();
  /** The parameters of the last redirect back to the application. */
  callback;
  #browser = new Browser();
  #sdk;
  #server;
  #transport;
  #secrets = [];

  constructor(sdk, server, options) {
    this.#sdk = sdk;
    this.#server = server;
    this.provider = new MemoryProvider({ ...options, remembersDiscovery: sdk.remembersDiscovery });
    const save = this.provider.saveTokens.bind(this.provider);
    this.provider.saveTokens = (tokens) => {
      this.#secrets.push(tokens.access_token, tokens.refresh_token);
      save(tokens);
    };
  }

  async connect() {
    const { client, transport } = this.#sdk.create(new URL(this.#server.mcp), {
      authProvider: this.provider,
      fetch: this.requests.fetch,
      // A stream that ends must not race with the test's own calls.
      reconnectionOptions: NO_RECONNECTION,
    });
    this.#transport = transport;
    await client.connect(transport);
    return { client, transport };
  }

  /** Goes through the pages and checks what every redirect back has to carry. */
  async decide(decision) {
    const { provider } = this;
    const request = provider.takeRequest();
    assert.ok(request, 'the client asked for an authorization');
    const { callback, pages } = await decide(this.#browser, request, provider.redirectUrl, decision);
    this.callback = callback.searchParams;
    this.#secrets.push(this.callback.get('code'));
    assert.equal(this.callback.get('state'), provider.lastState, 'state comes back unchanged');
    assert.equal(this.callback.get('iss'), this.#issuer(), 'iss is the issuer');
    for (const [name, value] of new URL(provider.redirectUrl).searchParams) {
      assert.equal(this.callback.get(name), value, 'the query of the redirect URI is kept');
    }
    return { pages };
  }

  /** Hands the redirect back to the SDK, which redeems the code. */
  async finish(connection) {
    await this.#sdk.finish(connection?.transport ?? this.#transport, this.callback);
    assert.ok(this.provider.tokens()?.refresh_token, 'there is a refresh token');
    assert.match(this.provider.tokens().token_type, /^bearer$/i);
    assert.match(this.provider.tokens().scope ?? '', /\bmcp:tools\b/, 'the scope that was granted is named');
  }

  async assertWhoamiTool({ client }) {
    const { tools } = await client.listTools();
    assert.ok(tools.length >= 2, `at least two tools: ${tools.map((tool) => tool.name).join(', ')}`);
    const tool = tools.find(({ name }) => /who/i.test(name));
    assert.ok(tool, 'there is a tool that says who calls');
    const result = await client.callTool({ name: tool.name, arguments: {} });
    assert.ok(!result.isError, textOf(result));
    assertCaller(textOf(result), this.provider.tokens().scope);
  }

  /**
   * Calls every tool. Without `mcp:write` exactly one of them is refused, and an SDK that knows
   * how to ask for more gets it from the person.
   */
  async assertWriteTool({ client, transport }) {
    const granted = this.provider.tokens().scope.split(' ');
    const { tools } = await client.listTools();
    const refused = [];
    for (const tool of tools) {
      const call = () => client.callTool({ name: tool.name, arguments: anyArguments(tool.inputSchema) });
      const refusal = await call().then(
        (result) => result.isError && new Error(textOf(result)),
        (error) => error,
      );
      if (!refusal) continue;
      refused.push(tool.name);
      if (!this.#sdk.stepsUp) continue;
      assert.ok(this.#sdk.isUnauthorized(refusal), `${tool.name} can be asked for: ${refusal}`);
      const asked = this.provider.authorizationUrl?.searchParams.get('scope');
      assert.match(asked ?? '', /\bmcp:write\b/, 'scope that is asked for');
      await this.decide('approve');
      await this.finish({ transport });
      assert.ok(!(await call()).isError, `${tool.name} answers with the wider scope`);
    }
    const expected = granted.includes('mcp:write') ? 0 : 1;
    assert.equal(refused.length, expected, `refused with ${granted.join(' ')}: ${refused.join(', ') || 'none'}`);
  }

  /** Tells the server object what must not be in its log. */
  remember() {
    const { verifiers, client } = this.provider;
    this.#server.secret(...this.#secrets, ...this.#browser.secrets, ...verifiers, client?.client_secret);
  }

  #issuer() {
    return `${this.#server.origin}${this.#server.issuerPath}`;
  }
}

function assertDiscovery(server, requests) {
  const challenge = requests.log.find((entry) => entry.url === server.mcp);
  assert.equal(challenge.status, 401, 'status without a token');
  const header = challenge.received.get('www-authenticate') ?? '';
  assert.match(header, /^Bearer .*resource_metadata="[^"]+"/i);
  const resourceMetadata = header.match(/resource_metadata="([^"]+)"/)[1];
  const discovery = requests.log.filter((entry) => entry.url.includes('/.well-known/'));
  assert.deepEqual(
    discovery.map(({ url, status }) => `${status} ${url}`),
    [`200 ${resourceMetadata}`, `200 ${server.metadataUrl}`],
    'both documents are where the client looks first',
  );
}

function assertRegistration(requests, provider, method) {
  const registration = requests.log.find((entry) => entry.method === 'POST' && entry.status === 201);
  assert.ok(registration, 'there was a registration');
  assert.match(registration.received.get('cache-control') ?? '', /\bno-store\b/);
  const client = provider.clientInformation();
  const effective = method ?? 'client_secret_basic';
  assert.equal(client.token_endpoint_auth_method, effective, 'the method is echoed');
  assert.equal(typeof client.client_secret, effective === 'none' ? 'undefined' : 'string', 'type of client_secret');
  assert.deepEqual(client.redirect_uris, [provider.redirectUrl], 'the redirect URI is echoed as it was sent');
}

function assertAuthorizationRequest(server, provider) {
  const asked = provider.authorizationUrl.searchParams;
  assert.equal(asked.get('code_challenge_method'), 'S256');
  assert.equal(asked.get('resource'), server.mcp, 'the resource is the MCP endpoint');
  assert.match(asked.get('scope') ?? '', /\bmcp:tools\b/, 'the scope comes from the challenge or the metadata');
}

/** The client showed itself at the token endpoint in the way that it registered. */
function assertClientAuthentication(requests, provider) {
  const { client_id, client_secret, token_endpoint_auth_method: method } = provider.clientInformation();
  const exchange = requests.log.findLast((entry) => entry.body.includes('grant_type=authorization_code'));
  assert.match(exchange.received.get('cache-control') ?? '', /\bno-store\b/);
  const sent = new URLSearchParams(exchange.body);
  const basic = `Basic ${btoa(`${client_id}:${client_secret}`)}`;
  assert.equal(exchange.sent.get('authorization'), method === 'client_secret_basic' ? basic : null);
  assert.equal(sent.get('client_id'), method === 'client_secret_basic' ? null : client_id);
  assert.equal(sent.get('client_secret'), method === 'client_secret_post' ? client_secret : null);
}

/** A plain RFC 7009 request: the SDKs have none. */
async function revoke(server, { client_id, client_secret, token_endpoint_auth_method: method }, token) {
  const metadata = await (await fetch(server.metadataUrl)).json();
  const body = new URLSearchParams({ token, token_type_hint: 'refresh_token' });
  const headers = {};
  if (method === 'client_secret_basic') headers.authorization = `Basic ${btoa(`${client_id}:${client_secret}`)}`;
  else body.set('client_id', client_id);
  if (method === 'client_secret_post') body.set('client_secret', client_secret);
  const answer = await fetch(metadata.revocation_endpoint, { method: 'POST', headers, body });
  const text = await answer.text();
  assert.equal(answer.status, 200, `status of the revocation: ${text}`);
  assert.equal(text, '', 'the answer is empty');
}

function textOf(result) {
  return [...(result.content ?? []).map((part) => part.text ?? ''), JSON.stringify(result.structuredContent ?? '')].join(' ');
}

/** Arguments that fit a tool's schema, whatever they mean. */
function anyArguments(schema) {
  const samples = { string: 'interop', integer: 1, number: 1, boolean: true, array: [], object: {} };
  const entries = (schema.required ?? []).map((name) => {
    const { type, enum: choices } = schema.properties?.[name] ?? {};
    return [name, choices?.[0] ?? samples[Array.isArray(type) ? type[0] : type] ?? 'interop'];
  });
  return Object.fromEntries(entries);
}
