// What clients may call themselves.

/** Names that clients may give themselves: too long to fit, hostile, and written from the right. */
export const NAMES = {
  'long-word': 'W'.repeat(200),
  'long-sentence': 'An application that has a great deal to say about itself '.repeat(3).trim(),
  hostile: '"><img src=x onerror=alert(1)></bdi></h1><script>alert(2)</script>',
  'right-to-left': 'مساعد الملاحظات الذكي للمكاتب',
  mixed: 'ملاحظات of \u202eadmin\u202c שלום',
};
