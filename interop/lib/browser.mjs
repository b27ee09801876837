// A browser reduced to what signing in needs: cookies, redirects and plain HTML forms. It is as
// strict as the strictest real one where that matters: cookies ignore the port, `Secure` cookies
// are refused over plain http (as Safari does, even on loopback), a POST carries the `Origin` that
// the page's referrer policy leaves, and nothing but `http` is followed.

import assert from 'node:assert/strict';
import http from 'node:http';
import { parseForms } from './forms.mjs';

const MAX_REDIRECTS = 8;

export class Browser {
  /** Every cookie and every transaction that was ever met: nobody else may see them. */
  secrets = new Set();
  #cookies = [];

  /** Opens an address as a person who was sent there by another program. */
  async open(url, stopAt) {
    return this.#navigate({ method: 'GET', url: new URL(url), site: 'none' }, stopAt);
  }

  /** Submits a form of a page with the given values, by one of its buttons where one is named. */
  async submit(page, form, values, button, stopAt) {
    const fields = new URLSearchParams();
    for (const field of form.fields) {
      if (field.type === 'submit') {
        if (field === button) fields.append(field.name, field.value);
      } else {
        fields.append(field.name, values[field.name] ?? field.value);
      }
    }
    const url = new URL(form.action, page.url);
    if (form.method === 'GET') {
      url.search = String(fields);
      return this.#navigate({ method: 'GET', url, from: page }, stopAt);
    }
    return this.#navigate({ method: 'POST', url, body: String(fields), from: page }, stopAt);
  }

  /** Follows redirects until there is a page, or an address under `stopAt`, which is not opened. */
  async #navigate(request, stopAt) {
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const answer = await this.#send(request);
      const location = answer.headers.location;
      if (answer.status < 300 || answer.status > 399 || !location) {
        const forms = parseForms(answer.body);
        const transactions = forms.flatMap((form) => form.fields.filter((field) => field.name === 'transaction'));
        for (const { value } of transactions) this.secrets.add(value);
        return { ...answer, url: request.url, forms };
      }
      const url = new URL(location, request.url);
      const repeats = answer.status === 307 || answer.status === 308;
      if (repeats && request.method === 'POST') {
        throw new Error(`a ${answer.status} redirect would post the form to ${url.origin} again`);
      }
      if (stopAt && url.href.startsWith(stopAt)) return { callback: url };
      assert.equal(url.protocol, 'http:', `redirected to ${url.href}`);
      request = { method: 'GET', url, from: request.from, site: request.site };
    }
    throw new Error(`more than ${MAX_REDIRECTS} redirects, last to ${request.url.href}`);
  }

  async #send({ method, url, body, from, site }) {
    const headers = {
      accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8',
      'accept-language': 'en',
      'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Interop/1.0',
      'upgrade-insecure-requests': '1',
      'sec-fetch-dest': 'document',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-site': site ?? (from.url.origin === url.origin ? 'same-origin' : 'same-site'),
      'sec-fetch-user': '?1',
    };
    const cookies = this.#cookiesFor(url);
    if (cookies) headers.cookie = cookies;
    if (method === 'POST') {
      headers['content-type'] = 'application/x-www-form-urlencoded';
      headers['content-length'] = Buffer.byteLength(body);
      headers.origin = originHeader(from, url);
    }
    const answer = await exchange(url, { method, headers, agent: false }, body);
    for (const line of answer.headers['set-cookie'] ?? []) this.#setCookie(url, line);
    return answer;
  }

  #cookiesFor(url) {
    return this.#cookies
      .filter((cookie) => cookie.host === url.hostname && pathMatches(cookie.path, url.pathname))
      .map((cookie) => `${cookie.name}=${cookie.value}`)
      .join('; ');
  }

  #setCookie(url, line) {
    const [pair, ...attributes] = line.split(';').map((part) => part.trim());
    const name = pair.slice(0, pair.indexOf('='));
    const value = pair.slice(pair.indexOf('=') + 1);
    this.secrets.add(value);
    const settings = Object.fromEntries(
      attributes.map((text) => {
        const [key, ...rest] = text.split('=');
        return [key.toLowerCase(), rest.join('=')];
      }),
    );
    if ('secure' in settings || /^__(host|secure)-/i.test(name)) return;
    if (settings.domain && settings.domain !== url.hostname) return;
    const path = settings.path?.startsWith('/') ? settings.path : defaultPath(url);
    this.#cookies = this.#cookies.filter((c) => !(c.name === name && c.host === url.hostname && c.path === path));
    const age = settings['max-age'];
    const ended = age === undefined ? Date.parse(settings.expires) <= Date.now() : Number(age) <= 0;
    if (!ended) this.#cookies.push({ name, value, host: url.hostname, path });
  }
}

// Fetch, "append a request Origin header", for navigations.
function originHeader(page, target) {
  const policy = page.headers['referrer-policy']?.split(',').at(-1).trim();
  const hidden = policy === 'no-referrer' || (policy === 'same-origin' && page.url.origin !== target.origin);
  return hidden ? 'null' : page.url.origin;
}

function pathMatches(cookiePath, path) {
  return path === cookiePath || (path.startsWith(cookiePath) && (cookiePath.endsWith('/') || path[cookiePath.length] === '/'));
}

function defaultPath(url) {
  return url.pathname.slice(0, Math.max(1, url.pathname.lastIndexOf('/')));
}

function exchange(url, options, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, options, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk) => (text += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: text }));
      answer.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}
