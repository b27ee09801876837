// Reads what the server says of a caller, from the plain route and from the tool of the same name.

import assert from 'node:assert/strict';

/** The status of `GET /whoami` with an access token. */
export async function whoamiStatus(server, accessToken) {
  const answer = await fetch(`${server.origin}/whoami`, { headers: { authorization: `Bearer ${accessToken}` } });
  await answer.body?.cancel();
  return answer.status;
}

/** The client that `GET /whoami` names. */
export async function whoamiClient(server, accessToken) {
  const answer = await fetch(`${server.origin}/whoami`, { headers: { authorization: `Bearer ${accessToken}` } });
  return (await answer.json()).client_id;
}

/** `GET /whoami` names alice and exactly the granted scopes, as JSON. */
export async function assertWhoami(server, accessToken, scope) {
  const answer = await fetch(`${server.origin}/whoami`, { headers: { authorization: `Bearer ${accessToken}` } });
  assert.equal(answer.status, 200, 'status of GET /whoami');
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json\b/);
  assertCaller(JSON.stringify(await answer.json()), scope);
}

/** A text about the caller names alice and exactly the granted scopes. */
export function assertCaller(text, scope) {
  assert.match(text, /\balice\b/, `the caller is alice: ${text}`);
  const named = [...new Set(text.match(/mcp:[a-z]+/g) ?? [])].sort();
  assert.deepEqual(named, scope.split(' ').sort(), 'the scopes that were granted');
}
