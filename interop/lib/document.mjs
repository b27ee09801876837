// A web server of its own with one client metadata document, over https on this machine.

import { once } from 'node:events';
import https from 'node:https';
import { selfSigned } from './certificate.mjs';

const PATH = '/oauth/client.json';

/** Serves a document about a public client; `asked` counts how often it was read. */
export async function serveDocument(name) {
  const { key, certificate } = selfSigned('localhost');
  const web = { certificate, asked: 0 };
  const listener = https.createServer({ key, cert: certificate }, (request, answer) => {
    if (request.url !== PATH) return answer.writeHead(404).end();
    web.asked += 1;
    answer.writeHead(200, { 'content-type': 'application/json' });
    return answer.end(JSON.stringify(document));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  web.url = `https://localhost:${listener.address().port}${PATH}`;
  web.close = () => listener.close();
  const document = {
    client_id: web.url,
    client_name: name,
    // Without a port, as documents have it: programs choose one at every start.
    redirect_uris: ['http://127.0.0.1/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };
  return web;
}
