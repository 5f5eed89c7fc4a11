// Above GraphiQL: the token that requests are sent with, and in `lango dev` the people of the demo data.
import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useState, useSyncExternalStore } from 'react';

import { expiry, keepToken, onToken, readToken } from './token.js';

const useToken = () => useSyncExternalStore(onToken, readToken);

async function asked(address, method) {
  const response = await fetch(address, { method, credentials: 'omit' });
  if (!response.ok) throw new Error(`${address} answered ${response.status}`);
  return response.json();
}

function said(token) {
  if (!token) return 'Requests are sent without a token: as a visitor.';
  const end = expiry(token);
  if (end === null) return 'Requests are sent with this token.';
  return end < new Date() ? 'This token has expired.' : `This token is valid until ${end.toLocaleString()}.`;
}

function DemoCallers({ address }) {
  const [callers, setCallers] = useState([]);
  const [chosen, setChosen] = useState('');
  const token = useToken();
  useEffect(() => {
    asked(address, 'GET').then(setCallers, () => setCallers([]));
  }, [address]);
  useEffect(() => {
    if (!token) setChosen('');
  }, [token]);

  async function choose(event) {
    const name = event.target.value;
    keepToken(name ? (await asked(`${address}/${name}/token`, 'POST')).token : '');
    setChosen(name);
  }

  if (callers.length === 0) return null;
  return (
    <label>
      Sign in as
      <select id="demo-caller" value={chosen} onChange={choose}>
        <option value="">…</option>
        {callers.map(({ name, title }) => (
          <option key={name} value={name}>
            {name}, {title}
          </option>
        ))}
      </select>
    </label>
  );
}

export function SigningIn({ demoCallers }) {
  const token = useToken();
  return (
    <header className="signing-in">
      {demoCallers && <DemoCallers address={demoCallers} />}
      <label>
        Token
        <input
          id="token"
          type="password"
          autoComplete="off"
          spellCheck={false}
          placeholder="for this tab until it is closed"
          value={token}
          onChange={(event) => keepToken(event.target.value)}
        />
      </label>
      <button type="button" disabled={!token} onClick={() => keepToken('')}>
        Clear
      </button>
      <output htmlFor="token">{said(token)}</output>
    </header>
  );
}

/** Asks for the schema again when somebody signs in to whom it had been refused. */
export function SchemaOnceSignedIn() {
  const token = useToken();
  const schema = useGraphiQL((state) => state.schema);
  const { introspect } = useGraphiQLActions();
  useEffect(() => {
    if (!token || schema) return undefined;
    // Not at each letter of a token that is typed.
    const timer = setTimeout(introspect, 500);
    return () => clearTimeout(timer);
  }, [token]);
  return null;
}
