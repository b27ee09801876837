// What a person does with the server's pages in the small browser: signs in, then decides.

export const ALICE = { username: 'alice', password: 'wonderland' };

/**
 * Opens an authorization request and goes through the pages until the browser is sent to
 * `redirectUri`. Answers the address it was sent to and which pages were seen on the way.
 */
export async function decide(browser, authorizationUrl, redirectUri, decision = 'approve') {
  const pages = [];
  let page = await browser.open(authorizationUrl, redirectUri);
  while (!page.callback) {
    if (pages.length === 4) throw new Error(`no end of pages: ${pages.join(', ')}`);
    const login = page.forms.find((form) => form.fields.some((field) => field.type === 'password'));
    const consent = page.forms.find((form) => form.fields.some((field) => field.name === 'decision'));
    if (login) {
      pages.push('login');
      for (const name of Object.keys(ALICE)) {
        if (!login.fields.some((field) => field.name === name)) throw new Error(`the login form has no field ${name}`);
      }
      page = await browser.submit(page, login, ALICE, login.fields.find((field) => field.type === 'submit'), redirectUri);
    } else if (consent) {
      pages.push('consent');
      const button = consent.fields.find((field) => field.name === 'decision' && field.value === decision);
      if (!button) throw new Error(`the consent form has no button decision=${decision}`);
      page = await browser.submit(page, consent, {}, button, redirectUri);
    } else {
      throw new Error(`neither login nor consent at ${page.url.pathname}: HTTP ${page.status}, ${summary(page.body)}`);
    }
  }
  return { callback: page.callback, pages };
}

function summary(html) {
  const text = html.replace(/<(style|script|head)\b[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ');
  return text.replace(/\s+/g, ' ').trim().slice(0, 200);
}
