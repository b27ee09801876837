// The two resource-server examples with an authorization server that others made: its tokens are
// good for what they were made for, and refused with each single thing wrong.
//
// Most of what is wrong here its issuer would never sign. So the forgeries are signed with its own
// key, which the test has, unless the signature is what is wrong.

import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { encode, es256, es256Der, hs256, ps256, read, token, unsigned } from './lib/forge.mjs';
import { ForeignIssuer } from './lib/foreign-issuer.mjs';
import { ResourceServer } from './lib/resource-server.mjs';

const CLIENT = { CLIENT_SECRET: 'mcp-server-secret' };

export async function run(context) {
  const issuer = new ForeignIssuer();
  await issuer.start();
  try {
    await signedTokens(context, issuer);
    await opaqueTokens(context, issuer);
  } finally {
    await issuer.stop();
  }
}

async function signedTokens(context, issuer) {
  const { report } = context;
  const server = await ResourceServer.start(context, 'resource-server-jwt', [issuer.name]);
  issuer.signsFor(server.resource);
  const other = server.resource.replace('/mcp', '/other');
  issuer.signsFor(other);
  const tempter = await Tempter.start();
  const label = 'signed tokens of oidc-provider';
  const refuse = (name, make, status) =>
    report.case(`${label}: ${status ?? 401}, ${name}`, async () => server.refuses(await make(), status));
  try {
    let tokens;
    await report.story(label, [
      ['the server found its metadata', () => assert.match(server.said, /metadata found/)],
      ['alice lets a client act for her', async () => (tokens = await issuer.signIn(server.resource))],
      ['it is a JWT for the resource', () => {
        const [header, claims] = read(tokens.access_token);
        assert.deepEqual([header.typ, header.kid, claims.aud], ['at+jwt', issuer.key.kid, server.resource]);
      }],
      ['it is accepted', () => server.accepts(tokens.access_token, 'alice')],
      ['and a second time', () => server.accepts(tokens.access_token, 'alice')],
    ]);
    if (!tokens) return;
    const genuine = tokens.access_token;
    const [header, claims] = read(genuine);
    const { privateKey, kid } = issuer.key;
    const now = Math.floor(Date.now() / 1000);
    const signed = (head, payload) => token(head, payload, es256(privateKey));
    /** The genuine one with some claims changed; those that are undefined are left out. */
    const but = (changes) => signed(header, { ...claims, ...changes });
    const under = (changes, signature = es256(privateKey)) => token({ ...header, ...changes }, claims, signature);
    const accept = (name, make, subject = 'alice') =>
      report.case(`${label}: 200, ${name}`, async () => server.accepts(await make(), subject));

    // Or else the refusals below would prove nothing.
    await accept('signed again as it was', () => but({}));
    await accept('the resource among several audiences', () => but({ aud: ['https://a.example/', server.resource] }));
    await accept('the type in full', () => under({ typ: 'application/at+jwt' }));
    await accept('jku, x5u and jwk are no matter', () => under({ jku: tempter.url, x5u: tempter.url, jwk: { kty: 'oct', k: 'AA' } }));
    await accept('of a client that acts for itself', () => issuer.machineToken(server.resource), 'machine');

    for (const [name, changes] of [
      ['another issuer', { iss: 'https://other.example' }],
      ['the issuer with a slash', { iss: `${issuer.name}/` }],
      ['no issuer', { iss: undefined }],
      ['an issuer that is a number', { iss: 7 }],
      ['another audience', { aud: 'https://other.example/mcp' }],
      ['no audience', { aud: undefined }],
      ['an empty list of audiences', { aud: [] }],
      ['a list of others', { aud: ['https://a.example/', other] }],
      ['an audience that begins like ours', { aud: `${server.resource}2` }],
      ['the origin as audience', { aud: new URL(server.resource).origin }],
      ['the audience with a slash', { aud: `${server.resource}/` }],
      ['the client as audience', { aud: 'app' }],
      ['expired', { exp: now - 60 }],
      ['without an end', { exp: undefined }],
      ['an end that is a text', { exp: String(now + 60) }],
      ['an end that is endless', { exp: '∞' }],
      ['a beginning later than now', { nbf: now + 120 }],
      ['made later than now', { iat: now + 120 }],
      ['no subject', { sub: undefined }],
      ['an empty subject', { sub: '' }],
      ['a subject that is a list', { sub: ['alice'] }],
      ['a scope that is a number', { scope: 1 }],
      ['bound to a key', { cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } }],
    ]) {
      await refuse(name, () => but(changes));
    }
    await refuse('no scope', () => but({ scope: undefined }), 403);
    await refuse('another scope', () => but({ scope: 'mcp:other' }), 403);
    await refuse('a scope that begins like ours', () => but({ scope: 'mcp:tools2 mcp:tool' }), 403);

    for (const member of ['aud', 'iss', 'exp', 'sub', 'scope']) {
      const twice = JSON.stringify(claims).replace(/\}$/, `,${JSON.stringify(member)}:${JSON.stringify(claims[member])}}`);
      await refuse(`${member} twice`, () => signed(header, twice));
    }
    const algTwice = JSON.stringify(header).replace(/\}$/, ',"alg":"ES256"}');
    await refuse('alg twice', () => signed(algTwice, claims));
    await refuse('a payload that is a list', () => signed(header, '[]'));
    await refuse('a payload that is no JSON', () => signed(header, 'alice'));

    // RFC 8725 §2: the attacks that it was written for.
    const pem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
    const jwk = createPublicKey(privateKey).export({ format: 'jwk' });
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const strangers = createPublicKey(stranger).export({ format: 'jwk' });
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    for (const alg of ['none', 'None', 'nOnE', '']) {
      await refuse(`alg ${alg || 'empty'}, unsigned`, () => under({ alg }, unsigned));
    }
    await refuse('alg missing', () => under({ alg: undefined }));
    await refuse('alg none, signed all the same', () => under({ alg: 'none' }));
    await refuse('unsigned', () => under({}, unsigned));
    await refuse('HS256 with the public key in PEM', () => under({ alg: 'HS256' }, hs256(pem)));
    await refuse('HS256 with the public key as JWK', () => under({ alg: 'HS256' }, hs256(JSON.stringify(jwk))));
    await refuse('HS256 with half of the point', () => under({ alg: 'HS256' }, hs256(Buffer.from(jwk.x, 'base64url'))));
    await refuse('HS256 with nothing', () => under({ alg: 'HS256', kid: undefined }, hs256('')));
    await refuse('RS256 by name', () => under({ alg: 'RS256' }));
    await refuse('PS256 with a key of nobody', () => under({ alg: 'PS256', kid: 'rsa' }, ps256(rsa)));
    await refuse('ES384 by name', () => under({ alg: 'ES384' }));
    await refuse('a key of a stranger', () => under({}, es256(stranger)));
    await refuse('a key of a stranger, embedded', () => under({ kid: 'new', jwk: { ...strangers, kid: 'new' } }, es256(stranger)));
    await refuse('a key of a stranger, under the name of ours', () => under({ jwk: { ...strangers, kid } }, es256(stranger)));
    await refuse('a key of a stranger, at jku', () => under({ jku: tempter.url, kid: 'new' }, es256(stranger)));
    await refuse('a key of a stranger, at x5u', () => under({ x5u: tempter.url, kid: 'new' }, es256(stranger)));
    await refuse('a key of a stranger, in x5c', () => under({ x5c: [pem.replace(/-.*-|\n/g, '')], kid: 'new' }, es256(stranger)));
    await refuse('a kid that nobody has', () => under({ kid: 'nobodys' }));
    await refuse('a kid that is a path', () => under({ kid: '../../../dev/null' }, hs256('')));
    await refuse('a kid that is a number', () => under({ kid: 7 }));
    await refuse('crit of what is there', () => under({ crit: ['exp'], exp: 1 }));
    await refuse('crit of what nobody knows', () => under({ crit: ['https://example/x'], 'https://example/x': true }));
    await refuse('crit that is empty', () => under({ crit: [] }));
    await refuse('a payload that is not encoded', () => under({ crit: ['b64'], b64: false }));
    for (const typ of ['JWT', undefined, 'logout+jwt', 'dpop+jwt', 'oauth-id-jag+jwt', 'at+jwt2', 7]) {
      await refuse(`the type ${typ}`, () => under({ typ }));
    }
    await refuse('a signature in DER', () => under({}, es256Der(privateKey)));
    await refuse('a signature of zeros', () => under({}, () => Buffer.alloc(64)));
    await report.case(`${label}: nobody was asked for the keys that tokens name`, () => assert.equal(tempter.asked, 0));

    // What is made of the genuine one without any key.
    const [head, payload, signature] = genuine.split('.');
    const swapped = encode(JSON.stringify({ ...claims, sub: 'mallory' }));
    await refuse('another payload under its signature', () => `${head}.${swapped}.${signature}`);
    await refuse('another header over its signature', () => `${encode(JSON.stringify({ ...header, typ: 'AT+JWT ' }))}.${payload}.${signature}`);
    await refuse('its signature cut', () => genuine.slice(0, -2));
    await refuse('its signature gone', () => `${head}.${payload}.`);
    await refuse('two parts', () => `${head}.${payload}`);
    await refuse('four parts', () => `${genuine}.${signature}`);
    await refuse('five parts', () => `${head}..${payload}.${signature}.${signature}`);
    await refuse('padded', () => `${genuine}==`);
    await refuse('too long', () => but({ padding: 'x'.repeat(20_000) }));
    await refuse('with a space', () => `${head} .${payload}.${signature}`, 400);

    // What its issuer made for something else.
    await refuse('its token for another resource', () => issuer.machineToken(other));
    await refuse('its token for another scope', () => issuer.machineToken(server.resource, 'mcp:other'), 403);
    await refuse('its opaque token', () => issuer.machineToken('https://opaque.example/mcp'));
    await refuse('its token for the person itself', async () => (await issuer.signIn(undefined, 'openid')).access_token);
    await refuse('its ID token', () => tokens.id_token);
    await refuse('its refresh token', () => tokens.refresh_token);
    await refuse('its code', () => tokens.code);
    await report.case(`${label}: 401, in the query`, async () => {
      const answer = await server.ask({}, `${server.resource}?access_token=${genuine}`);
      assert.equal(answer.status, 401);
    });
    await report.case(`${label}: 400, twice`, async () => {
      const answer = await server.ask({ authorization: [`Bearer ${genuine}`, `Bearer ${genuine}`] });
      assert.equal(answer.status, 400);
    });
    await accept('after all that, the genuine one', () => genuine);
  } finally {
    server.stop();
    tempter.stop();
  }
}

async function opaqueTokens(context, issuer) {
  const { report } = context;
  const server = await ResourceServer.start(context, 'resource-server-introspection', [issuer.name, 'mcp-server'], CLIENT);
  const label = 'opaque tokens of oidc-provider';
  const refuse = (name, make, status) =>
    report.case(`${label}: ${status ?? 401}, ${name}`, async () => server.refuses(await make(), status));
  const wrong = { CLIENT_SECRET: 'wrong' };
  const unknown = await ResourceServer.start(context, 'resource-server-introspection', [issuer.name, 'mcp-server'], wrong);
  const gone = await ResourceServer.start(context, 'resource-server-introspection', ['http://127.0.0.1:9', 'mcp-server'], CLIENT);
  try {
    let tokens;
    await report.story(label, [
      ['alice lets a client act for her', async () => (tokens = await issuer.signIn(server.resource))],
      ['it is opaque', () => assert.ok(!tokens.access_token.includes('.'))],
      ['it is accepted', () => server.accepts(tokens.access_token, 'alice')],
      ['and a second time', () => server.accepts(tokens.access_token, 'alice')],
    ]);
    if (!tokens) return;
    const genuine = tokens.access_token;
    /** Another token of alice's. */
    const alices = async (...what) => (await issuer.signIn(...what)).access_token;
    await refuse('for another resource', () => alices('https://other.example/mcp'));
    await refuse('for another path', () => alices(server.resource.replace('/mcp', '/mcp2')));
    await refuse('for a path below', () => alices(`${server.resource}/x`));
    await refuse('for the origin', () => alices(new URL(server.resource).origin));
    await refuse('for nobody in particular', () => alices(undefined, 'openid'));
    await refuse('for another scope', () => alices(server.resource, 'openid mcp:other'), 403);
    await refuse('for no scope', () => alices(server.resource, 'openid'), 403);
    await refuse('of a client that acts for itself, which has no subject there', () => issuer.machineToken(server.resource));
    await refuse('its refresh token', () => tokens.refresh_token);
    await refuse('its ID token', () => tokens.id_token);
    await refuse('its code', () => tokens.code);
    await refuse('one that nobody issued', () => 'x'.repeat(43));
    await refuse('with one character more', () => `${genuine}x`);
    await refuse('with one character less', () => genuine.slice(0, -1));
    await refuse('in other letters', () => genuine.toUpperCase());
    await refuse('too long', () => 'x'.repeat(9000));
    await refuse('what is no token', () => `${genuine},x`, 400);
    await refuse('revoked before it was seen', async () => {
      const other = await alices(server.resource);
      await issuer.revoke(other);
      return other;
    });
    await refuse('expired', async () => {
      issuer.lifetime = 1;
      const short = await alices(server.resource);
      issuer.lifetime = 300;
      await sleep(2000);
      return short;
    });
    await report.case(`${label}: 503, a server whose secret is wrong`, () => unknown.refuses(genuine, 503));
    await report.case(`${label}: 503, a server whose issuer is away`, () => gone.refuses(genuine, 503));
    await report.case(`${label}: 200, after all that, the genuine one`, () => server.accepts(genuine, 'alice'));
  } finally {
    for (const started of [server, unknown, gone]) started.stop();
  }
}

/** A web server that has keys for whoever asks, and counts them. */
class Tempter {
  asked = 0;
  url;
  #server;

  static async start() {
    const tempter = new Tempter();
    tempter.#server = http.createServer((_, response) => {
      tempter.asked += 1;
      response.setHeader('content-type', 'application/json').end('{"keys":[]}');
    });
    tempter.#server.listen(0, '127.0.0.1');
    await once(tempter.#server, 'listening');
    tempter.url = `http://127.0.0.1:${tempter.#server.address().port}/keys`;
    return tempter;
  }

  stop() {
    this.#server.close();
  }
}
