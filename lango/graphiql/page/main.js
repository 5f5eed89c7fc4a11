// Bundled by build.py. The page has no inline script, so what the gateway wants to say stands in data attributes.
import 'graphiql/style.css';
import './page.css';

import { GraphiQL } from 'graphiql';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';

const root = document.getElementById('graphiql');
const { endpoint, assets, query } = root.dataset;

globalThis.MonacoEnvironment = {
  getWorker(_id, label) {
    const name = label === 'json' || label === 'graphql' ? label : 'editor';
    return new Worker(`${assets}/${name}.worker.js`, { name: label, type: 'module' });
  },
};

async function fetcher(request, { headers = {} } = {}) {
  // An unfilled template is no token: without this the first query would be refused with 401.
  const given = Object.entries(headers).filter(([, value]) => String(value).trim() !== 'Bearer');
  const answer = await fetch(endpoint, {
    method: 'POST',
    credentials: 'omit',
    headers: {
      accept: 'application/graphql-response+json, application/json;q=0.9',
      'content-type': 'application/json',
      ...Object.fromEntries(given),
    },
    body: JSON.stringify(request),
  });
  return answer.json();
}

const asked = new URLSearchParams(location.search);

createRoot(root).render(
  createElement(GraphiQL, {
    fetcher,
    defaultQuery: query,
    initialQuery: asked.get('query') ?? undefined,
    initialVariables: asked.get('variables') ?? undefined,
    defaultHeaders: '{\n  "Authorization": "Bearer "\n}',
    isHeadersEditorEnabled: true,
    // A token is a secret: it stays in the tab's memory and is never written to the browser's storage.
    shouldPersistHeaders: false,
    defaultEditorToolsVisibility: 'headers',
  }),
);
