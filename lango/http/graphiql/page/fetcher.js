// How GraphiQL's operations reach the gateway: queries and mutations by POST, subscriptions over a WebSocket.
import { getOperationAST } from 'graphql';
import { createClient } from 'graphql-ws';

import { note, renew } from './session.js';
import { readToken } from './token.js';

/** The headers of the editor; Authorization is the token's unless the editor has one. */
function complete(given = {}) {
  const headers = new Headers(Object.entries(given).map(([name, value]) => [name, String(value)]));
  if (!headers.has('authorization') && readToken()) headers.set('authorization', `Bearer ${readToken()}`);
  return headers;
}

async function post(endpoint, request, headers) {
  headers.set('accept', 'application/graphql-response+json, application/json;q=0.9');
  headers.set('content-type', 'application/json');
  const response = await fetch(endpoint, {
    method: 'POST',
    credentials: 'omit',
    headers,
    body: JSON.stringify(request),
  });
  return response.json();
}

/** A socket for each subscription, so that it carries the token of that moment. An observable and not a generator,
 * whose end would wait for the next event. */
function subscribe(endpoint, request, headers) {
  const url = new URL(endpoint, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const authorization = headers.get('authorization');
  const client = createClient({
    url: url.href,
    connectionParams: authorization ? { authorization } : undefined,
    // A token that is refused stays refused; who wants to go on after a restart runs it again.
    retryAttempts: 0,
  });
  const explained = (error) =>
    error instanceof CloseEvent ? new Error(`The connection was closed: ${error.code} ${error.reason}`) : error;
  return {
    subscribe: (sink) => ({
      unsubscribe: client.subscribe(request, {
        next: (result) => sink.next(result),
        error: (error) => sink.error(explained(error)),
        complete: () => sink.complete(),
      }),
    }),
  };
}

export function createFetcher(endpoint) {
  return async (request, { headers, documentAST } = {}) => {
    const operation = documentAST && getOperationAST(documentAST, request.operationName);
    await renew((renewal) => post(endpoint, renewal, new Headers()));
    const sent = complete(headers);
    if (operation?.operation === 'subscription') return subscribe(endpoint, request, sent);
    const result = await post(endpoint, request, sent);
    note(result, operation);
    return result;
  };
}
