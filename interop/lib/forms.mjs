// Finds the forms of an HTML page: enough of a parser for pages made of plain markup.

const TAG = /<(\/?)(form|input|button)\b((?:[^>"']|"[^"]*"|'[^']*')*)>/gi;
const ATTRIBUTE = /([^\s=/"']+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/g;
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };

/** All forms: `{ action, method, fields: [{ type, name, value }] }`, fields in document order. */
export function parseForms(html) {
  const forms = [];
  let open;
  for (const [, closes, name, rest] of html.replace(/<!--[\s\S]*?-->/g, '').matchAll(TAG)) {
    const tag = name.toLowerCase();
    if (tag === 'form') {
      open = undefined;
      if (closes) continue;
      const { action = '', method = 'get' } = attributes(rest);
      open = { action, method: method.toUpperCase(), fields: [] };
      forms.push(open);
    } else if (open && !closes) {
      const { type = tag === 'button' ? 'submit' : 'text', name: field, value = '', ...others } = attributes(rest);
      const checkable = type === 'checkbox' || type === 'radio';
      if (!field || 'disabled' in others || (checkable && !('checked' in others))) continue;
      open.fields.push({ type: type.toLowerCase(), name: field, value: checkable && value === '' ? 'on' : value });
    }
  }
  return forms;
}

function attributes(text) {
  const found = {};
  for (const [, name, double, single, bare] of text.matchAll(ATTRIBUTE)) {
    found[name.toLowerCase()] ??= decode(double ?? single ?? bare ?? '');
  }
  return found;
}

function decode(text) {
  return text.replace(/&(#x[0-9a-f]+|#[0-9]+|[a-z]+);/gi, (whole, name) => {
    if (name[0] !== '#') return ENTITIES[name.toLowerCase()] ?? whole;
    return String.fromCodePoint(/^#x/i.test(name) ? parseInt(name.slice(2), 16) : Number(name.slice(1)));
  });
}
