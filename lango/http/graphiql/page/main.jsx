// Bundled by build.py. The page has no inline script, so what the gateway wants to say stands in data attributes.
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './page.css';

import { explorerPlugin } from '@graphiql/plugin-explorer';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { createRoot } from 'react-dom/client';

import { createFetcher } from './fetcher.js';
import { SchemaOnceSignedIn, SigningIn } from './signing_in.jsx';
import { clean, storage } from './storage.js';

const root = document.getElementById('graphiql');
const { endpoint, query, demoCallers } = root.dataset;
const workers = JSON.parse(root.dataset.workers);

globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(workers[label] ?? workers.editor, { name: label, type: 'module' }),
};

clean();

// A link may bring an operation; only the reader runs it.
const linked = new URLSearchParams(location.search);

createRoot(root).render(
  <>
    <SigningIn demoCallers={demoCallers} />
    <GraphiQL
      fetcher={createFetcher(endpoint)}
      storage={storage}
      plugins={[HISTORY_PLUGIN, explorerPlugin({ showAttribution: false })]}
      defaultQuery={query}
      initialQuery={linked.get('query') ?? undefined}
      initialVariables={linked.get('variables') ?? undefined}
      isHeadersEditorEnabled
      shouldPersistHeaders={false}
    >
      <SchemaOnceSignedIn />
    </GraphiQL>
  </>,
);
