"""An MCP server behind the authorization server of the official Python SDK, which approves without a person.

    python server.py LIFETIME

LIFETIME is that of access tokens, in seconds. The first line printed is the MCP server's address, on a free port of this
machine. Every further line is the word `replayed`: a refresh token came twice. It ends when its standard input does.
"""

import asyncio
import json
import secrets
import socket
import sys
import time
from dataclasses import dataclass, field

import uvicorn
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.middleware.bearer_auth import RequireAuthMiddleware
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    TokenError,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

TOOLS, WRITE = SCOPES = ["mcp:tools", "mcp:write"]


@dataclass
class Grant:
    """What one approval began. Its tokens end together."""

    client_id: str
    resource: str | None
    closed: bool = False
    spent: set[str] = field(default_factory=set)


class Provider(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """What the SDK leaves to its user, in memory.

    It stands for a careful person, who lets a client use the tools, and write only when it asks for that again. A refresh token
    that comes twice closes its grant.
    """

    def __init__(self, lifetime: int):
        self.lifetime = lifetime
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.known: set[str] = set()
        self.codes: dict[str, AuthorizationCode] = {}
        self.access: dict[str, tuple[AccessToken, Grant]] = {}
        self.refresh: dict[str, tuple[RefreshToken, Grant]] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        asked = params.scopes or [TOOLS]
        scopes = asked if client.client_id in self.known else [scope for scope in asked if scope != WRITE]
        self.known.add(client.client_id)
        code = secrets.token_urlsafe(32)
        self.codes[code] = AuthorizationCode(
            code=code,
            scopes=scopes,
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(self, client, authorization_code: str) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client, authorization_code: AuthorizationCode) -> OAuthToken:
        if self.codes.pop(authorization_code.code, None) is None:
            raise TokenError("invalid_grant", "used before")
        grant = Grant(authorization_code.client_id, authorization_code.resource)
        return self.issue(grant, authorization_code.scopes, authorization_code.scopes)

    async def load_refresh_token(self, client, refresh_token: str) -> RefreshToken | None:
        held, grant = self.refresh.get(refresh_token, (None, None))
        return None if grant is None or grant.closed else held

    async def exchange_refresh_token(self, client, refresh_token: RefreshToken, scopes: list[str]) -> OAuthToken:
        _, grant = self.refresh[refresh_token.token]
        if refresh_token.token in grant.spent:
            grant.closed = True
            print("replayed", flush=True)
            raise TokenError("invalid_grant", "used before")
        grant.spent.add(refresh_token.token)
        return self.issue(grant, scopes, refresh_token.scopes)

    async def load_access_token(self, token: str) -> AccessToken | None:
        held, grant = self.access.get(token, (None, None))
        return None if grant is None or grant.closed else held

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        for tokens in (self.access, self.refresh):
            if token.token in tokens:
                tokens[token.token][1].closed = True

    def issue(self, grant: Grant, scopes: list[str], granted: list[str]) -> OAuthToken:
        """An access token for `scopes`, and a refresh token for all that was granted."""
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        held = {"client_id": grant.client_id, "resource": grant.resource}
        expires_at = int(time.time()) + self.lifetime
        self.access[access] = (AccessToken(token=access, scopes=scopes, expires_at=expires_at, **held), grant)
        self.refresh[refresh] = (RefreshToken(token=refresh, scopes=granted, **held), grant)
        return OAuthToken(access_token=access, refresh_token=refresh, expires_in=self.lifetime, scope=" ".join(scopes))


class PerTool:
    """The SDK's check asks for the same scopes whatever is called: one of it for writing, one for all else."""

    def __init__(self, check: RequireAuthMiddleware):
        def requiring(scopes: list[str]) -> ASGIApp:
            return RequireAuthMiddleware(check.app, scopes, check.resource_metadata_url)

        self.usual, self.writing = requiring([TOOLS]), requiring(SCOPES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages, body, more = [], b"", scope["method"] == "POST"
        while more:
            message = await receive()
            messages.append(message)
            body += message.get("body", b"")
            more = message.get("more_body", False)

        async def again():
            return messages.pop(0) if messages else await receive()

        check = self.writing if writes(body) else self.usual
        await check(scope, again, send)


def writes(body: bytes) -> bool:
    try:
        message = json.loads(body)
        return message["method"] == "tools/call" and message["params"]["name"] == "write_note"
    except (ValueError, KeyError, TypeError):
        return False


def mounted(origin: str, lifetime: int) -> Starlette:
    auth = AuthSettings(
        issuer_url=origin,
        resource_server_url=f"{origin}/mcp",
        validate_token_resource=True,
        # What the resource's metadata list.
        required_scopes=SCOPES,
        client_registration_options=ClientRegistrationOptions(enabled=True, valid_scopes=SCOPES, default_scopes=SCOPES),
        revocation_options=RevocationOptions(enabled=True),
    )
    server = MCPServer("python", auth=auth, auth_server_provider=Provider(lifetime))

    @server.tool()
    def whoami() -> str:
        token = get_access_token()
        return json.dumps({"scopes": token.scopes})

    @server.tool()
    def write_note(text: str) -> str:
        return f"kept {len(text)} characters"

    app = server.streamable_http_app(json_response=True, stateless_http=True)
    routes = app.router.routes
    at = next(at for at, route in enumerate(routes) if getattr(route, "path", None) == "/mcp")
    routes[at] = Route("/mcp", endpoint=PerTool(routes[at].endpoint))
    return app


async def main(lifetime: int) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(mounted(origin, lifetime), log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    print(f"{origin}/mcp", flush=True)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.read)
    server.should_exit = True
    await serving


asyncio.run(main(int(sys.argv[1])))
