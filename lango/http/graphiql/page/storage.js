// What GraphiQL keeps in the browser beyond the session, without what a caller is known by: request headers hold tokens,
// and GraphiQL itself writes them into its history and favourites whatever `shouldPersistHeaders` says.
const OURS = 'graphiql:';
const HEADERS = 'graphiql:headers';
// Where a tab has no such member, not even an empty one, GraphiQL discards all of them.
const TABS = 'graphiql:tabState';
// What the user has typed: JSON there is theirs, and may well have a member of that name.
const TYPED = new Set(['graphiql:query', 'graphiql:variables']);

const keys = () => Object.keys(localStorage).filter((key) => key.startsWith(OURS));

/** The value as it may be kept; null where nothing of it may. */
function withoutHeaders(key, value) {
  if (key === HEADERS) return null;
  if (TYPED.has(key)) return value;
  try {
    const instead = key === TABS ? null : undefined;
    return JSON.stringify(JSON.parse(value, (name, member) => (name === 'headers' ? instead : member)));
  } catch {
    // A word like `dark`: GraphiQL keeps headers in JSON only.
    return value;
  }
}

function keep(key, value) {
  const kept = withoutHeaders(key, String(value));
  if (kept === null) localStorage.removeItem(key);
  else localStorage.setItem(key, kept);
}

/** Takes out of the browser what earlier visits have left there. */
export function clean() {
  for (const key of keys()) keep(key, localStorage.getItem(key));
}

/** The `storage` of GraphiQL. */
export const storage = {
  getItem: (key) => localStorage.getItem(key),
  setItem: keep,
  removeItem: (key) => localStorage.removeItem(key),
  clear: () => keys().forEach((key) => localStorage.removeItem(key)),
  get length() {
    return keys().length;
  },
};
