// The caller's token. It outlives a reload of this tab and nothing else: session storage ends with the tab.
const KEY = 'lango:token';
const listeners = new Set();

export const readToken = () => sessionStorage.getItem(KEY) ?? '';

export function keepToken(text) {
  const token = text.trim().replace(/^bearer\s+/i, '');
  if (token) sessionStorage.setItem(KEY, token);
  else sessionStorage.removeItem(KEY);
  listeners.forEach((listener) => listener());
}

export function onToken(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** When the token expires, or null where that cannot be read from it. */
export function expiry(token) {
  try {
    const claims = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
    return Number.isFinite(claims.exp) ? new Date(claims.exp * 1000) : null;
  } catch {
    return null;
  }
}
