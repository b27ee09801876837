// The pages that a person sees, in a real Chromium: with a mouse, with the keyboard alone, without
// JavaScript, in several tabs, after a mistake and after a double click. Leaves screenshots.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { accountStory, themedStory, troubleStory } from './lib/account-stories.mjs';
import { ALICE } from './lib/person.mjs';
import { PkceClient } from './lib/pkce-client.mjs';
import { withQuickstart } from './lib/quickstart.mjs';
import { eventually } from './lib/report.mjs';
import { Chromium, Key } from './lib/webdriver.mjs';
import { assertWhoami } from './lib/whoami.mjs';

const USERNAME = 'input[name=username]';
const PASSWORD = 'input[name=password]';
const APPROVE = 'button[name=decision][value=approve]';
const DENY = 'button[name=decision][value=deny]';
const ALERT = '[role=alert]';

const SIZES = { wide: { width: 1280, height: 900 }, narrow: { width: 320, height: 700 } };
const SCHEMES = ['light', 'dark'];

/** The accessibility checker, run in the page by the automation, which no page policy hinders. */
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** A wordmark that suits light and dark. */
const LOGO = fileURLToPath(new URL('lib/logo.svg', import.meta.url));

/** Names that clients may give themselves: too long to fit, hostile, and written from the right. */
const NAMES = {
  'long-word': 'W'.repeat(200),
  'long-sentence': 'An application that has a great deal to say about itself '.repeat(3).trim(),
  hostile: '"><img src=x onerror=alert(1)></bdi></h1><script>alert(2)</script>',
  'right-to-left': 'مساعد الملاحظات الذكي للمكاتب',
  mixed: 'ملاحظات of \u202eadmin\u202c שלום',
};

export async function run(context) {
  await withQuickstart(context, 'chromium', {}, (server) =>
    withClient(context, server, 'chromium', async (pages) => {
      await signInStory(context, pages);
      await doubleClickStory(context, pages);
      await tabsStory(context, pages);
      await otherOriginStory(context, pages);
      await namesStory(context, pages);
    }),
  );
  await withQuickstart(context, 'chromium, account', { store: 'account.db' }, (server) =>
    withClient(context, server, 'chromium, account', async (pages) => {
      await accountStory(context, pages, Object.values(NAMES));
      await troubleStory(context, pages);
    }),
  );
  const flags = ['--product', 'Field Notes', '--accent', '#00695c,#80cbc4', '--logo', LOGO];
  await withQuickstart(context, 'chromium, theme', { flags }, (server) =>
    withClient(context, server, 'chromium, theme', (pages) => themedStory(context, pages)),
  );
  await withQuickstart(context, 'chromium, issuer /auth/v1', { issuerPath: '/auth/v1' }, (server) =>
    withClient(context, server, 'chromium, issuer /auth/v1', async (pages) => {
      await keyboardStory(context, pages);
      await withoutScriptStory(context, pages);
    }),
  );
}

/** Runs `body` with a fresh Chromium and a registered client. */
async function withClient({ report, artefacts }, server, label, body) {
  let chromium;
  let client;
  try {
    const ready = await report.case(`${label}: the browser starts and the client registers`, async () => {
      chromium = await Chromium.launch();
      client = await PkceClient.register(server, 'Interop <b>browser</b>');
    });
    if (ready) await body(new Pages(label, server, chromium, client, artefacts));
  } finally {
    client?.close();
    await chromium?.quit();
  }
}

/** A first sign-in with a mistake, a denial, and a second request that needs no sign-in. */
async function signInStory({ report }, pages) {
  const { chromium, client } = pages;
  let request = client.begin();
  await report.story(`${pages.label}, sign-in`, [
    ['the login page', async () => {
      await chromium.open(request.url);
      await pages.assertLogin();
      assert.ok(!(await chromium.has(ALERT)), 'no error before the first attempt');
      await pages.shoot('login');
    }],
    ['a wrong password is explained, and the page keeps working', async () => {
      await pages.signIn({ ...ALICE, password: 'wonderlamp' });
      await pages.assertLogin();
      const alert = await chromium.text(ALERT);
      assert.ok(alert.trim().length > 10, `the error is a sentence: ${alert}`);
      const html = await chromium.run('return document.documentElement.outerHTML');
      assert.ok(!html.includes('wonderlamp'), 'the password is not echoed');
      await pages.shoot('login-error');
      await pages.signIn();
    }],
    ['the consent page names the client, and its markup is text', async () => {
      await pages.assertConsent();
      const { cookies, transactions } = await pages.rememberSecrets();
      assert.ok(cookies >= 2 && transactions >= 1, `binding, session and transaction: ${cookies}, ${transactions}`);
      assert.match(await chromium.text(), /Interop <b>browser<\/b>/);
      await pages.shoot('consent');
    }],
    ['deny comes back with access_denied, state and iss', async () => {
      await chromium.follow(DENY);
      const [parameters] = await client.redirects(request);
      assert.equal(parameters.get('error'), 'access_denied');
      assert.equal(parameters.get('code'), null);
    }],
    ['the next request goes straight to consent, and approve gives a good token', async () => {
      request = client.begin();
      await chromium.open(request.url);
      await pages.assertConsent();
      await chromium.follow(APPROVE);
      await pages.assertGranted(request);
    }],
    ['an unknown client gets a page, not a redirect', async () => {
      const { url } = client.begin();
      url.searchParams.set('client_id', 'c_nobody');
      await chromium.open(url);
      assert.equal((await chromium.url()).origin, pages.server.origin);
      await pages.assertReadable();
      await pages.shoot('error');
    }],
    ['a mistake of a client elsewhere is told first, and leads there only by a click', async () => {
      const elsewhere = 'https://app.example/callback';
      const registration = { ...client.registration('Elsewhere'), redirect_uris: [elsewhere] };
      const answer = await fetch(client.metadata.registration_endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(registration),
      });
      assert.equal(answer.status, 201);
      const { url } = client.begin();
      url.searchParams.set('client_id', (await answer.json()).client_id);
      url.searchParams.set('redirect_uri', elsewhere);
      url.searchParams.set('response_type', 'token');
      await chromium.open(url);
      assert.equal((await chromium.url()).origin, pages.server.origin);
      await pages.assertReadable();
      const link = new URL(await chromium.run("return document.querySelector('a').href"));
      assert.equal(link.origin + link.pathname, elsewhere);
      assert.equal(link.searchParams.get('error'), 'unsupported_response_type');
      assert.equal(link.searchParams.get('state'), url.searchParams.get('state'));
      await pages.shoot('leave');
    }],
  ]);
}

/** Whatever a client calls itself, the page says it and stays what it is. */
async function namesStory({ report }, pages) {
  const { chromium } = pages;
  for (const [kind, name] of Object.entries(NAMES)) {
    await report.case(`${pages.label}, names: ${kind} is shown as text, and the page stays whole`, async () => {
      const client = await PkceClient.register(pages.server, name);
      try {
        await chromium.open(client.begin('mcp:tools mcp:write').url);
        await pages.assertConsent();
        const shown = await chromium.run(`return {
          name: document.querySelector('h1 bdi').textContent,
          scripts: document.scripts.length,
          images: document.images.length,
          buttons: document.querySelectorAll('button[name=decision]').length,
        }`);
        const control = /[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;
        const all = name.replace(control, '');
        const part = shown.name.replace(/…$/, '');
        assert.ok(all.startsWith(part) && part.length >= Math.min(all.length, 50), shown.name);
        assert.deepEqual([shown.scripts, shown.images], [0, 0], 'nothing of the name became markup');
        assert.ok(shown.buttons >= 2);
        await pages.shoot(`consent-${kind}`);
      } finally {
        client.close();
      }
    });
  }
}

/** Approving twice, by a double click and by posting the same form again and again. */
async function doubleClickStory({ report }, pages) {
  const { chromium, client } = pages;
  const request = client.begin();
  await report.story(`${pages.label}, approving twice`, [
    ['a double click gives one usable code', async () => {
      const doubled = client.begin();
      await chromium.open(doubled.url);
      // On a slow line the second click comes before the answer to the first, and replaces it.
      await chromium.slowLine(400);
      try {
        await chromium.doubleClick(APPROVE);
        const isBack = async () => (await chromium.url()).origin === client.origin;
        await eventually('the browser is back in the application', 10_000, isBack);
      } finally {
        await chromium.slowLine(0);
      }
      await pages.assertGranted(doubled);
    }],
    ['the same form posted twice gives the same code twice, and it is usable', async () => {
      await chromium.open(request.url);
      await pages.assertConsent();
      await pages.approveInto('second');
      await client.redirects(request, 1);
      await pages.approveInto('third');
      await client.redirects(request, 2);
      await pages.assertGranted(request);
    }],
    ['posted again after that, a page says that it was answered', async () => {
      await chromium.follow(APPROVE);
      assert.equal((await chromium.url()).origin, pages.server.origin);
      assert.ok(!(await chromium.has(APPROVE)), 'there is nothing left to approve');
      await pages.assertReadable();
      await pages.shoot('closing');
    }],
  ]);
  await pages.closeOtherTabs();
}

/** Several tabs hold several transactions, before and after signing in. */
async function tabsStory({ report }, pages) {
  const { chromium, client } = pages;
  await report.story(`${pages.label}, two tabs`, [
    ['two consent pages, answered in the other order', async () => {
      const [first, second] = await pages.openTabs(2);
      await pages.assertConsent();
      await chromium.follow(APPROVE);
      await pages.assertGranted(second);
      await chromium.switchTo(first.tab);
      await pages.assertConsent();
      await chromium.follow(APPROVE);
      await pages.assertGranted(first);
    }],
    ['two login pages: signing in on one does not strand the other', async () => {
      await chromium.cdp('Network.clearBrowserCookies');
      const [first, second] = await pages.openTabs(2);
      await pages.assertLogin();
      await pages.signIn();
      await pages.assertConsent();
      await chromium.switchTo(first.tab);
      await pages.assertLogin();
      await pages.signIn();
      await pages.finish(first);
      // The newer sign-in may have replaced the session that the other page was shown in.
      await chromium.switchTo(second.tab);
      await pages.finish(second);
    }],
  ]);
  await pages.closeOtherTabs();
}

/** A web application of another origin uses the endpoints with `fetch`, as browsers allow it. */
async function otherOriginStory({ report }, pages) {
  const { chromium, client, server } = pages;
  const ask = (url, init) =>
    chromium.run(
      `return fetch(...arguments).then(async (answer) => ({
         status: answer.status,
         challenge: answer.headers.get('www-authenticate'),
         body: await answer.json().catch(() => null),
       }))`,
      url,
      init,
    );
  const version = { 'mcp-protocol-version': '2025-11-25' };
  await report.story(`${pages.label}, a web application of another origin`, [
    ['reads both metadata documents', async () => {
      await chromium.open(`${client.origin}/`);
      const resource = await ask(`${server.origin}/.well-known/oauth-protected-resource/mcp`, { headers: version });
      assert.equal(resource.body.resource, server.mcp);
      const metadata = await ask(server.metadataUrl, { headers: version });
      assert.equal(metadata.body.issuer, resource.body.authorization_servers[0]);
    }],
    ['registers, and reads the errors of the token endpoint', async () => {
      const body = JSON.stringify(client.registration('Interop web'));
      const json = { 'content-type': 'application/json' };
      const registered = await ask(client.metadata.registration_endpoint, { method: 'POST', headers: json, body });
      assert.equal(registered.status, 201);
      const parameters = new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: registered.body.client_id,
        code: 'x',
        code_verifier: 'x'.repeat(43),
        redirect_uri: client.redirectUri,
      });
      const form = { 'content-type': 'application/x-www-form-urlencoded' };
      const refused = await ask(client.metadata.token_endpoint, { method: 'POST', headers: form, body: String(parameters) });
      assert.equal(refused.body.error, 'invalid_grant');
    }],
    ['reads the challenge of the MCP endpoint', async () => {
      const headers = {
        ...version,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: 'Bearer nonsense',
      };
      const refused = await ask(server.mcp, { method: 'POST', headers, body: '{"jsonrpc":"2.0","id":1,"method":"ping"}' });
      assert.equal(refused.status, 401);
      assert.match(refused.challenge ?? '', /resource_metadata=/);
    }],
  ]);
}

/** Signing in without a mouse. */
async function keyboardStory({ report }, pages) {
  const { chromium, client } = pages;
  const request = client.begin();
  await report.story(`${pages.label}, keyboard alone`, [
    ['Tab and Enter complete the sign-in', async () => {
      await chromium.open(request.url);
      await pages.tabTo(USERNAME);
      await chromium.press(ALICE.username);
      await pages.tabTo(PASSWORD);
      await chromium.press(ALICE.password);
      await chromium.press(Key.ENTER);
      await eventually('the consent page', 10_000, () => chromium.has(APPROVE));
    }],
    ['Tab and Enter approve', async () => {
      await pages.tabTo(APPROVE);
      await chromium.press(Key.ENTER);
      await pages.assertGranted(request);
    }],
  ]);
}

/** Signing in with scripts switched off. */
async function withoutScriptStory({ report }, pages) {
  const { chromium, client } = pages;
  const request = client.begin();
  await report.story(`${pages.label}, without JavaScript`, [
    ['scripts are off', async () => {
      await chromium.cdp('Network.clearBrowserCookies');
      await chromium.cdp('Emulation.setScriptExecutionDisabled', { value: true });
      await chromium.open('data:text/html,<title>off</title><script>document.title="on"</script>');
      assert.equal(await chromium.title(), 'off');
    }],
    ['a wrong password, then the right one, then approve', async () => {
      await chromium.open(request.url);
      await pages.signIn({ ...ALICE, password: 'wonderlamp' });
      await pages.assertLogin();
      await pages.signIn();
      await pages.assertConsent();
      await chromium.follow(APPROVE);
      await pages.assertGranted(request);
    }],
  ]);
}

/** What the stories do with the server's pages. */
class Pages {
  constructor(label, server, chromium, client, artefacts) {
    Object.assign(this, { label, server, chromium, client, artefacts });
  }

  async signIn({ username, password } = ALICE) {
    await this.chromium.type(USERNAME, username);
    await this.chromium.type(PASSWORD, password);
    await this.chromium.follow(await this.#submitOf(PASSWORD));
  }

  async #submitOf(field) {
    const button = `form:has(${field}) :is(button:not([type=button]), input[type=submit])`;
    assert.ok(await this.chromium.has(button), 'the login form has a button');
    return button;
  }

  async assertLogin() {
    assert.ok(await this.chromium.has(USERNAME), `a login page: ${await this.chromium.text()}`);
    assert.ok(await this.chromium.has(PASSWORD), 'the login page has a password field');
    await this.assertReadable();
  }

  async assertConsent() {
    assert.ok(await this.chromium.has(APPROVE), `a consent page: ${await this.chromium.text()}`);
    assert.ok(await this.chromium.has(DENY), 'the consent page has a button to deny');
    await this.assertReadable();
  }

  /** What this browser holds for the server must not be in its log. Answers how much that is. */
  async rememberSecrets() {
    const { cookies } = await this.chromium.cdp('Network.getAllCookies');
    const transactions = await this.chromium.run(
      `return [...document.querySelectorAll('input[name=transaction]')].map((field) => field.value)`,
    );
    this.server.secret(...cookies.map((cookie) => cookie.value), ...transactions);
    return { cookies: cookies.length, transactions: transactions.length };
  }

  /** What every page owes to everybody, screen readers included. */
  async assertReadable() {
    await this.rememberSecrets();
    const page = await this.chromium.run(`return {
      language: document.documentElement.lang,
      title: document.title.trim(),
      headings: document.querySelectorAll('h1').length,
      text: document.body.innerText.trim(),
      unnamed: [...document.querySelectorAll('input:not([type=hidden])')].filter((field) => !field.labels.length).length,
    }`);
    assert.ok(page.language, 'the page has a language');
    assert.ok(page.title, 'the page has a title');
    assert.equal(page.headings, 1, 'the page has one main heading');
    assert.ok(page.text.length > 20, `the page says something: ${page.text}`);
    assert.equal(page.unnamed, 0, 'every field has a label');
  }

  /** The application got a code, always the same one, and its token is good. */
  async assertGranted(request) {
    await this.rememberSecrets();
    const redirects = await this.client.redirects(request);
    const codes = new Set(redirects.map((parameters) => parameters.get('code')));
    assert.equal(codes.size, 1, `${redirects.length} redirects, one code`);
    const tokens = await this.client.redeem(request, [...codes][0]);
    await assertWhoami(this.server, tokens.access_token, 'mcp:tools');
  }

  /** Approves, signing in again if the page asks for it. */
  async finish(request) {
    for (let page = 0; page < 3; page += 1) {
      if (await this.chromium.has(PASSWORD)) {
        await this.signIn();
      } else {
        await this.assertConsent();
        await this.chromium.follow(APPROVE);
      }
      if ((await this.chromium.url()).origin === this.client.origin) break;
    }
    await this.assertGranted(request);
  }

  /** Approves with the answer going to another tab, so that the form stays where it is. */
  async approveInto(name) {
    await this.chromium.run(`document.querySelector(arguments[0]).formTarget = arguments[1]`, APPROVE, name);
    await this.chromium.click(APPROVE);
    await this.chromium.run(`document.querySelector(arguments[0]).removeAttribute('formtarget')`, APPROVE);
  }

  /** Opens that many requests in tabs of their own; the last one is in front. */
  async openTabs(count) {
    const requests = [];
    for (let made = 0; made < count; made += 1) {
      const tab = await this.chromium.newTab();
      await this.chromium.switchTo(tab);
      const request = { ...this.client.begin(), tab };
      await this.chromium.open(request.url);
      requests.push(request);
    }
    return requests;
  }

  async closeOtherTabs() {
    const [first, ...others] = await this.chromium.tabs();
    for (const tab of others) {
      await this.chromium.switchTo(tab);
      await this.chromium.closeTab();
    }
    await this.chromium.switchTo(first);
  }

  /** Presses Tab until the element has the focus, which it may have from the start. */
  async tabTo(selector) {
    for (let presses = 0; presses < 20; presses += 1) {
      if (await this.chromium.run('return document.activeElement.matches(arguments[0])', selector)) return;
      await this.chromium.press(Key.TAB);
    }
    throw new Error(`Tab never reaches ${selector}`);
  }

  /** Nothing to object to by WCAG 2.2 AA and good practice, as far as a program can tell. */
  async assertAccessible(what) {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const found = await this.chromium.run(
      `${AXE}; return axe.run(document, { runOnly: arguments[0] }).then(({ violations, passes }) => ({
        violations: violations.map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.target.join(' ')).join(', ')),
        passes: passes.length,
      }))`,
      tags,
    );
    assert.ok(found.passes > 5, `${what}: rules were checked`);
    assert.deepEqual(found.violations, [], what);
  }

  /** Takes the page in both colour schemes and both sizes, and checks that it suits them. */
  async shoot(name, { whole = false } = {}) {
    const backgrounds = {};
    for (const scheme of SCHEMES) {
      await this.chromium.cdp('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
      for (const [size, { width, height }] of Object.entries(SIZES)) {
        await this.chromium.cdp('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
        const picture = whole ? await this.chromium.picture() : await this.chromium.screenshot();
        writeFileSync(path.join(this.artefacts, `${name}-${scheme}-${size}.png`), picture);
        const beyond = await this.chromium.run('return document.documentElement.scrollWidth - window.innerWidth');
        assert.ok(beyond <= 0, `${name} is ${beyond} pixels too wide for ${width}`);
        await this.assertAccessible(`${name}, ${scheme}, ${size}`);
      }
      backgrounds[scheme] = await this.chromium.run(`return [document.body, document.documentElement]
        .map((element) => getComputedStyle(element).backgroundColor).join()`);
    }
    await this.chromium.cdp('Emulation.setEmulatedMedia', { features: [] });
    await this.chromium.cdp('Emulation.clearDeviceMetricsOverride');
    assert.notEqual(backgrounds.light, backgrounds.dark, `${name} follows the dark colour scheme`);
  }
}
