// A person looks after who has access: the account pages, and pages in a theme, in a real Chromium.

import assert from 'node:assert/strict';
import { ALICE } from './person.mjs';
import { PkceClient } from './pkce-client.mjs';

const APPROVE = 'button[name=decision][value=approve]';
const WITHDRAW = 'button[name=decision][value=withdraw]';
const CLOSE = 'button[name=decision][value=close]';
const SIGN_OUT = 'button[name=decision][value=sign_out]';
const CLIENTS = 'return [...document.querySelectorAll("h2")].map((heading) => heading.textContent)';

/** Signs in at the account, connects applications of every kind of name, and ends it all. */
export async function accountStory({ report }, pages, names) {
  const { chromium, client, server } = pages;
  const account = `${client.metadata.issuer}/account`;
  const others = [];
  const allow = async (app, scope) => {
    const request = app.begin(scope);
    await chromium.open(request.url);
    await pages.assertConsent();
    await chromium.follow(APPROVE);
    const [parameters] = await app.redirects(request);
    return app.redeem(request, parameters.get('code'));
  };
  await report.story(`${pages.label}, who has access`, [
    ['the account asks who it is', async () => {
      await chromium.open(account);
      await pages.assertLogin();
      await pages.shoot('account-login');
      await pages.signIn({ ...ALICE, password: 'wonderlamp' });
      await pages.assertLogin();
      await pages.signIn();
      assert.equal((await chromium.url()).href, account);
    }],
    ['nobody has access', async () => {
      await pages.assertReadable();
      assert.deepEqual(await chromium.run(CLIENTS), []);
      await pages.shoot('account-empty');
    }],
    ['applications with names of every kind are listed, as text', async () => {
      for (const name of names) {
        const other = await PkceClient.register(server, name);
        others.push(other);
        await allow(other, 'mcp:tools mcp:write');
      }
      await allow(client);
      await allow(client);
      await chromium.open(account);
      await pages.assertReadable();
      const shown = await chromium.run(CLIENTS);
      assert.equal(shown.length, names.length + 1);
      const found = await chromium.run('return [document.scripts.length, document.images.length]');
      assert.deepEqual(found, [0, 0], 'nothing of a name became markup');
      await pages.shoot('account', { whole: true });
    }],
    ['one of two is ended', async () => {
      assert.equal(await chromium.run(`return document.querySelectorAll('${CLOSE}').length`), 2);
      await chromium.follow(CLOSE);
      assert.equal((await chromium.url()).href, account);
      assert.ok(!(await chromium.has(CLOSE)), 'one is left, and it needs no such button');
      assert.equal((await chromium.run(CLIENTS)).length, names.length + 1);
    }],
    ['everything of an application is ended, and its token with it', async () => {
      const tokens = await allow(client);
      await chromium.open(account);
      assert.match((await chromium.run(CLIENTS))[0], /Interop/, 'the one used last comes first');
      await chromium.follow(WITHDRAW);
      assert.equal((await chromium.run(CLIENTS)).length, names.length);
      const answer = await fetch(`${server.origin}/whoami`, { headers: { authorization: `Bearer ${tokens.access_token}` } });
      assert.equal(answer.status, 401);
    }],
    ['signing out is asked about, and done', async () => {
      await chromium.open(`${client.metadata.issuer}/signout`);
      await pages.assertReadable();
      await pages.shoot('sign-out');
      await chromium.follow(SIGN_OUT);
      await pages.assertReadable();
      assert.match(await chromium.text('h1'), /signed out/i);
      await pages.shoot('signed-out');
      await chromium.follow('a');
      await pages.assertLogin();
      await pages.signIn();
      assert.equal((await chromium.run(CLIENTS)).length, names.length);
    }],
    ['signing out everywhere says what it ends, and ends it', async () => {
      await chromium.follow('a[href$="/everywhere"]');
      await pages.assertReadable();
      await pages.shoot('sign-out-everywhere');
      await chromium.follow(SIGN_OUT);
      assert.match(await chromium.text('h1'), /signed out/i);
      await chromium.open(account);
      await pages.signIn();
      assert.deepEqual(await chromium.run(CLIENTS), []);
    }],
  ]);
  for (const other of others) other.close();
}

/** What a person reads when a form comes too late, and when the store is gone. */
export async function troubleStory({ report }, pages) {
  const { chromium, client, server } = pages;
  const page = `${client.metadata.issuer}/account`;
  await report.story(`${pages.label}, trouble`, [
    ['a form of another browser says that nothing was done', async () => {
      await chromium.open(`${client.metadata.issuer}/signout`);
      await chromium.cdp('Network.clearBrowserCookies');
      await chromium.follow(SIGN_OUT);
      await pages.assertReadable();
      assert.match(await chromium.text(), /nothing was changed/i);
      await pages.shoot('account-refused');
    }],
    ['without its records the server asks to try again', async () => {
      await chromium.open(page);
      await pages.signIn();
      server.breakStore();
      await chromium.open(page);
      await pages.assertReadable();
      assert.match(await chromium.text('h1'), /try again/i);
      await pages.shoot('try-again');
    }],
  ]);
}

/** Name, logo and colours of the operator's own. */
export async function themedStory({ report }, pages) {
  const { chromium, client } = pages;
  await report.story(`${pages.label}, in its own colours`, [
    ['the login page shows the logo, which the policy lets through', async () => {
      await chromium.open(client.begin('mcp:tools mcp:write').url);
      await pages.assertLogin();
      const logo = await chromium.run(`
        const logo = document.querySelector('header img');
        return { width: logo.naturalWidth, alt: logo.alt, title: document.title }`);
      assert.ok(logo.width > 0, 'the picture was drawn');
      assert.equal(logo.alt, 'Field Notes');
      assert.match(logo.title, /Field Notes$/);
      await pages.shoot('themed-login');
    }],
    ['so does the consent page, in the colours given', async () => {
      await pages.signIn();
      await pages.assertConsent();
      const colour = await chromium.run(`return getComputedStyle(document.querySelector('${APPROVE}')).backgroundColor`);
      assert.equal(colour, 'rgb(0, 105, 92)');
      await pages.shoot('themed-consent');
      await chromium.open(`${client.metadata.issuer}/account`);
      await pages.shoot('themed-account');
    }],
  ]);
}
