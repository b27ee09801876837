//! Well-known identity providers, each configured as `docs/guides/identity-providers.md` says.

use std::sync::Arc;

use oauth_resource::{
    AccessClaims, AccessTokenVerifier, ClaimMapping, ClientCredentials, DiscoveredIssuer,
    Introspection, JwtVerifier, Needs, ProtectedResource, Refusal, TokenRefused, TrustedIssuer,
};
use oauth_testkit::providers::{CLIENT, Provider};
use oauth_testkit::{FixedClock, block_on};
use oauth_types::{ClientId, Issuer, ResourceUri, Scope, SecretText};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const MCP: &str = "https://mcp.example/mcp";
const ENTRA_API: &str = "7c1f0a52-aaaa-4bbb-8ccc-000000000001";

fn mcp() -> ResourceUri {
    ResourceUri::parse(MCP).unwrap()
}

fn discovered(provider: &Provider) -> DiscoveredIssuer {
    DiscoveredIssuer::new(
        Issuer::parse(&provider.issuer).unwrap(),
        Arc::new(provider.web()),
        Arc::new(FixedClock::at(NOW)),
    )
}

/// A resource server that trusts this provider and no other, with its own settings.
fn trusting(
    provider: &Provider,
    settings: impl FnOnce(TrustedIssuer) -> TrustedIssuer,
) -> JwtVerifier {
    let issuer = Issuer::parse(&provider.issuer).unwrap();
    let trusted = TrustedIssuer::with_keys_at(issuer, Arc::new(discovered(provider)));
    JwtVerifier::new(FixedClock::at(NOW))
        .fetching(provider.web())
        .trusting(settings(trusted))
}

fn admit(
    verifier: &dyn AccessTokenVerifier,
    token: &str,
    scope: &str,
) -> Result<AccessClaims, Refusal> {
    let needed = Scope::parse(scope).unwrap();
    let resource = ProtectedResource::new(mcp(), "https://idp.example", needed.clone());
    block_on(resource.admit(verifier, token, &Needs::from(needed)))
}

fn refused(verifier: &dyn AccessTokenVerifier, token: &str) -> TokenRefused {
    match admit(verifier, token, "mcp:tools") {
        Err(Refusal::InvalidToken(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// What holds for each of them: whatever the provider answers where it has nothing, its access token is
/// good with the scope it carries, its ID token is refused, and so is an access token for another
/// resource.
fn is_served(
    provider: &Provider,
    settings: impl Fn(TrustedIssuer) -> TrustedIssuer,
    scope: &str,
    elsewhere: &Value,
) {
    for status in [400, 401, 403, 404] {
        provider.elsewhere(status);
        let verifier = trusting(provider, &settings);
        let token = provider.access_token(NOW, &json!({}));
        let claims = admit(&verifier, &token, scope);
        let claims = claims.unwrap_or_else(|why| panic!("{}: {why:?}", provider.name));
        assert_eq!(claims.subject.as_str(), "alice", "{}", provider.name);
        let client = claims.client_id.as_ref().map(ClientId::as_str);
        assert_eq!(client, Some(CLIENT), "{}", provider.name);
        let narrow = admit(&verifier, &token, "mcp:else");
        assert!(matches!(narrow, Err(Refusal::InsufficientScope)));

        let id_token = provider.id_token(NOW);
        let why = refused(&verifier, &id_token);
        assert_eq!(why, TokenRefused::Type, "{}", provider.name);
        let other = provider.access_token(NOW, elsewhere);
        let why = refused(&verifier, &other);
        assert_eq!(why, TokenRefused::Audience, "{}", provider.name);
    }
}

/// Without its settings none of its tokens is good: what was not said is not guessed.
fn is_not_served_by_default(provider: &Provider, why: TokenRefused) {
    let verifier = trusting(provider, |issuer| issuer);
    let token = provider.access_token(NOW, &json!({}));
    assert_eq!(refused(&verifier, &token), why, "{}", provider.name);
}

/// RS-TOK-5, RS-TOK-9: both versions of the tokens. The audience is the API's identifier, or its
/// `api://` name, which the mapping says is this resource.
#[test]
fn entra_v2() {
    let entra = Provider::entra_v2();
    let mapping = || ClaimMapping::default().audience(ENTRA_API, mcp());
    let settings = |issuer: TrustedIssuer| issuer.danger_plain_jwt().mapping(mapping());
    let other = json!({ "aud": "00000003-0000-0000-c000-000000000000" });
    is_served(&entra, settings, "mcp.tools", &other);
    is_not_served_by_default(&entra, TokenRefused::Type);

    // An application that acts for itself has roles and no scopes.
    let own = json!({ "scp": null, "roles": ["mcp.tools"] });
    let own = entra.access_token(NOW, &own);
    assert_eq!(
        refused(&trusting(&entra, settings), &own),
        TokenRefused::Type
    );
    let roles = |issuer: TrustedIssuer| {
        let mapping = mapping().scopes_in("roles");
        issuer.danger_plain_jwt().mapping(mapping)
    };
    assert!(admit(&trusting(&entra, roles), &own, "mcp.tools").is_ok());
    // Of another directory.
    let other = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    let other = entra.access_token(NOW, &json!({ "iss": other }));
    let verifier = trusting(&entra, settings);
    assert_eq!(refused(&verifier, &other), TokenRefused::Issuer);
}

/// RS-TOK-5, RS-TOK-9: the older version is another issuer, whose metadata is at the newer one's host,
/// so the address of its keys is given.
#[test]
fn entra_v1() {
    const KEYS: &str =
        "https://login.microsoftonline.com/6b2f1c0e-0d1f-4d0c-8d7e-2f3a4b5c6d7e/discovery/keys";
    let entra = Provider::entra_v1();
    let trusting = |provider: &Provider| {
        let issuer = Issuer::parse(&provider.issuer).unwrap();
        let name = format!("api://{ENTRA_API}");
        let mapping = ClaimMapping::default().audience(name, mcp());
        let trusted = TrustedIssuer::with_jwks_uri(issuer, KEYS).danger_plain_jwt();
        JwtVerifier::new(FixedClock::at(NOW))
            .fetching(provider.web())
            .trusting(trusted.mapping(mapping))
    };
    let other = json!({ "aud": "https://graph.microsoft.com" });
    for status in [400, 403] {
        entra.elsewhere(status);
        let verifier = trusting(&entra);
        let token = entra.access_token(NOW, &json!({}));
        let claims = admit(&verifier, &token, "mcp.tools").unwrap();
        assert_eq!(claims.client_id.unwrap().as_str(), CLIENT);
        assert_eq!(refused(&verifier, &entra.id_token(NOW)), TokenRefused::Type);
        let other = entra.access_token(NOW, &other);
        assert_eq!(refused(&verifier, &other), TokenRefused::Audience);
    }
    // Trusting one version is not trusting the other.
    let newer = trusting(&Provider::entra_v2());
    let token = entra.access_token(NOW, &json!({}));
    assert_eq!(refused(&newer, &token), TokenRefused::Issuer);
}

/// RS-TOK-6, RS-TOK-9: a token without an audience is good for the resource that the operator says its
/// client is for, and for no other client's.
#[test]
fn cognito() {
    let cognito = Provider::cognito();
    let settings = |issuer: TrustedIssuer| {
        let mapping = ClaimMapping::default().danger_client_as_audience(CLIENT, mcp());
        issuer.danger_plain_jwt().mapping(mapping)
    };
    let scope = "https://mcp.example/mcp/tools";
    let other = json!({ "client_id": "another-client" });
    is_served(&cognito, settings, scope, &other);
    is_not_served_by_default(&cognito, TokenRefused::Type);
    let unsaid = trusting(&cognito, TrustedIssuer::danger_plain_jwt);
    let token = cognito.access_token(NOW, &json!({}));
    assert_eq!(refused(&unsaid, &token), TokenRefused::Audience);

    // A client that asks with `resource` gets an audience, and then that alone counts.
    let bound = cognito.access_token(NOW, &json!({ "aud": MCP }));
    assert!(admit(&unsaid, &bound, scope).is_ok());
    let bound = cognito.access_token(NOW, &json!({ "aud": "https://other.example/mcp" }));
    let verifier = trusting(&cognito, settings);
    assert_eq!(refused(&verifier, &bound), TokenRefused::Audience);
}

/// RS-TOK-5, RS-TOK-9.
#[test]
fn okta() {
    let okta = Provider::okta();
    let settings = |issuer: TrustedIssuer| {
        let mapping = ClaimMapping::default().audience("api://default", mcp());
        issuer.danger_plain_jwt().mapping(mapping)
    };
    is_served(
        &okta,
        settings,
        "mcp:tools",
        &json!({ "aud": "api://other" }),
    );
    is_not_served_by_default(&okta, TokenRefused::Type);
}

/// RS-TOK-5, RS-TOK-9: with its own profile of tokens, and with the standard one.
#[test]
fn auth0() {
    let auth0 = Provider::auth0();
    let other =
        json!({ "aud": ["https://other.example/", "https://example.eu.auth0.com/userinfo"] });
    is_served(&auth0, TrustedIssuer::danger_plain_jwt, "mcp:tools", &other);
    is_not_served_by_default(&auth0, TokenRefused::Type);
    // Permissions count where somebody said so.
    let token = auth0.access_token(NOW, &json!({}));
    let permissions = trusting(&auth0, |issuer| {
        let mapping = ClaimMapping::default().scopes_in("permissions");
        issuer.danger_plain_jwt().mapping(mapping)
    });
    assert!(admit(&permissions, &token, "mcp:write").is_ok());
    // The issuer without its slash is somebody else, and its report says so.
    let issuer = Issuer::parse("https://example.eu.auth0.com").unwrap();
    let clock = Arc::new(FixedClock::at(NOW));
    let wrong = DiscoveredIssuer::new(issuer, Arc::new(auth0.web()), clock);
    let report = block_on(wrong.examine()).to_string();
    assert!(report.contains("Only the final slash differs"), "{report}");
}

/// RS-TOK-5, RS-TOK-9: without an audience mapper there is no audience, and no way in.
#[test]
fn keycloak() {
    let keycloak = Provider::keycloak();
    let settings = TrustedIssuer::danger_plain_jwt;
    is_served(
        &keycloak,
        settings,
        "mcp:tools",
        &json!({ "aud": "account" }),
    );
    is_not_served_by_default(&keycloak, TokenRefused::Type);
    let none = keycloak.access_token(NOW, &json!({ "aud": null }));
    let verifier = trusting(&keycloak, settings);
    assert_eq!(refused(&verifier, &none), TokenRefused::Audience);
    // What it signs besides is named in the claim `typ`.
    for typ in ["Refresh", "Offline", "Logout"] {
        let token = keycloak.access_token(NOW, &json!({ "typ": typ }));
        assert_eq!(refused(&verifier, &token), TokenRefused::Type, "{typ}");
    }
}

/// RS-TOK-9, RS-TOK-10: nothing that Google issues says anything about a server of one's own, and no
/// setting makes it so.
#[test]
fn google() {
    let google = Provider::google();
    let (access, id) = (google.access_token(NOW, &json!({})), google.id_token(NOW));
    let mapping = ClaimMapping::default().audience(CLIENT, mcp());
    let verifier = trusting(&google, |issuer| issuer.danger_plain_jwt().mapping(mapping));
    assert_eq!(refused(&verifier, &access), TokenRefused::Malformed);
    assert_eq!(refused(&verifier, &id), TokenRefused::Type);
    let asking = Introspection::new(
        Arc::new(discovered(&google)),
        ClientCredentials::basic(&ClientId::new("mcp"), &SecretText::new("secret")),
        Arc::new(google.web()),
        Arc::new(FixedClock::at(NOW)),
    );
    let answer = admit(&asking, &access, "mcp:tools");
    assert!(matches!(answer, Err(Refusal::Unavailable(_))), "{answer:?}");
}

/// RS-TOK-5, RS-TOK-9: an issuer that keeps to the standard needs no setting at all.
#[test]
fn logto() {
    let other = json!({ "aud": "https://other.example/mcp" });
    is_served(&Provider::logto(), |issuer| issuer, "mcp:tools", &other);
}

/// What an operator is told about each of them, who starts a server that trusts it: MCP clients cannot
/// sign in where PKCE is not announced, and cannot register where nobody registers them.
#[test]
fn reports_name_what_clients_will_miss() {
    for provider in Provider::all() {
        if provider.name.ends_with("v1.0") {
            let nothing = block_on(discovered(&provider).metadata());
            assert!(nothing.is_err(), "it is at another host");
            continue;
        }
        let report = block_on(discovered(&provider).examine()).to_string();
        let silent = ["Entra", "Cognito"]
            .iter()
            .any(|name| provider.name.contains(name));
        let told = report.contains("no list code_challenge_methods_supported");
        assert_eq!(told, silent, "{}: {report}", provider.name);
        let registers = ["Auth0", "Keycloak"].contains(&provider.name);
        let told = report.contains("has to be entered at the provider by hand");
        assert_eq!(told, !registers, "{}: {report}", provider.name);
    }
}
