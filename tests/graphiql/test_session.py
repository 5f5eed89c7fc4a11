"""What GraphiQL's page keeps of a sign-in: run by Node, with a tab's storage in the place of a browser's."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from lango.http.graphiql.build import PAGE, BuildFailed, find_node

BEGIN = """
import assert from 'node:assert/strict';
const stored = new Map();
globalThis.sessionStorage = {
  getItem: (key) => stored.get(key) ?? null,
  setItem: (key, value) => stored.set(key, value),
  removeItem: (key) => stored.delete(key),
};
const { note, renew } = await import('./session.js');
const { keepToken, readToken } = await import('./token.js');

const token = (seconds, name = 'a') => {
  const claims = { exp: Math.floor(Date.now() / 1000) + seconds, name };
  return `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;
};
const field = (name, alias) => ({ name: { value: name }, alias: alias && { value: alias } });
const mutation = (...fields) => ({ operation: 'mutation', selectionSet: { selections: fields } });
const signIn = (accessToken, refreshToken) =>
  note({ data: { in: { accessToken, refreshToken } } }, mutation(field("signInWithOtp", "in")));
const sent = [];
let answer = () => ({ data: { refreshSession: { accessToken: token(600, 'next'), refreshToken: 'lr_2' } } });
const post = async (request) => {
  sent.push(request.variables.token);
  await new Promise((resolve) => setTimeout(resolve, 5));
  return answer();
};
"""
TRIED = {
    "a sign-in's token is the tab's, and its refresh token in no storage": """
        signIn(token(600), 'lr_1');
        assert.equal(readToken(), token(600));
        assert.deepEqual([...stored.values()], [token(600)]);
    """,
    "what is refused, a challenge, a query and a cookie session change nothing": """
        keepToken('mine');
        note({ data: { in: { accessToken: null, refreshToken: null } } }, mutation(field('signInWithOtp', 'in')));
        note({ data: { in: null }, errors: [{}] }, mutation(field('signInWithOtp', 'in')));
        note({ data: { thing: { accessToken: 'theirs' } } }, { operation: 'query', selectionSet: { selections: [] } });
        note(undefined, mutation(field('x')));
        note({ errors: [{}] }, undefined);
        assert.equal(readToken(), 'mine');
    """,
    "it is exchanged before it ends, once for all who wait": """
        signIn(token(20), 'lr_1');
        await Promise.all([renew(post), renew(post), renew(post)]);
        assert.deepEqual(sent, ['lr_1']);
        assert.equal(readToken(), token(600, 'next'));
        await renew(post);
        assert.deepEqual(sent, ['lr_1']);
    """,
    "the next is exchanged by the next": """
        answer = () => ({ data: { refreshSession: { accessToken: token(20, 'next'), refreshToken: 'lr_2' } } });
        signIn(token(20), 'lr_1');
        await renew(post);
        await renew(post);
        assert.deepEqual(sent, ['lr_1', 'lr_2']);
    """,
    "a token that was chosen or typed since is let alone": """
        signIn(token(20), 'lr_1');
        keepToken(token(10, 'chosen'));
        await renew(post);
        assert.deepEqual(sent, []);
    """,
    "a session that has ended is tried no more": """
        answer = () => ({ data: { refreshSession: { accessToken: null, refreshToken: null } } });
        signIn(token(20), 'lr_1');
        await renew(post);
        await renew(post);
        assert.deepEqual(sent, ['lr_1']);
    """,
    "an outage ends no session": """
        answer = () => { throw new TypeError('Failed to fetch'); };
        signIn(token(20), 'lr_1');
        await renew(post);
        answer = () => ({ errors: [{ message: 'away' }] });
        await renew(post);
        assert.deepEqual(sent, ['lr_1', 'lr_1']);
        assert.equal(readToken(), token(20));
    """,
    "signing out takes the token away": """
        signIn(token(600), 'lr_1');
        note({ data: { out: { userErrors: [{ code: 'IN_PROGRESS' }] } } }, mutation(field('signOut', 'out')));
        assert.notEqual(readToken(), '');
        note({ data: { out: { ended: 1, userErrors: [] } } }, mutation(field('signOut', 'out')));
        assert.equal(readToken(), '');
        await renew(post);
        assert.deepEqual(sent, []);
    """,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    try:
        node = find_node().node
    except BuildFailed as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("page")
    for name in ("session.js", "token.js"):
        shutil.copy(PAGE / name, folder)
    (folder / "package.json").write_text(json.dumps({"type": "module"}))

    def run(script: str) -> None:
        (folder / "tried.js").write_text(BEGIN + script)
        ended = subprocess.run([node, "tried.js"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr

    return run


@pytest.mark.parametrize("script", TRIED.values(), ids=TRIED.keys())
def test_the_page_keeps_a_session(run: Any, script: str) -> None:
    run(script)
