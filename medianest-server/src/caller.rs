//! Who calls: from a bearer token, a session cookie, or what a host's middleware says.

use crate::{State, csrf, problem::Failure, rates::Client};
use async_trait::async_trait;
use medianest_core::{
    Error, ErrorKind, Origin, Principal, Result, SessionId,
    auth::{Authenticator, Identity},
    engine::Media,
    http as media_http,
};
use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use std::sync::Arc;

/// A caller who is signed in and has no password to change first.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    proof: Proof,
    authenticator: Arc<dyn Authenticator>,
    identity: Identity,
    origin: Origin,
}

/// A caller who is signed in, even if with a password that must be changed.
#[derive(Clone, Debug)]
pub(crate) struct Newcomer(pub(crate) Caller);

/// What a caller shows. Kept to ask again, on an open event stream.
#[derive(Clone)]
enum Proof {
    Host(Principal),
    Bearer(String),
    Cookie(String),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host(_) => "Host",
            Self::Bearer(_) => "Bearer",
            Self::Cookie(_) => "Cookie",
        })
    }
}

impl Caller {
    /// Who acts.
    pub(crate) fn principal(&self) -> &Principal {
        &self.identity.principal
    }

    /// The session the caller's proof stands on.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.identity.session
    }

    /// Whether the proof is a cookie.
    pub(crate) fn has_cookie(&self) -> bool {
        matches!(self.proof, Proof::Cookie(_))
    }

    /// What the caller may do and see.
    pub(crate) fn media(&self, state: &State) -> Media {
        state.engine.acting_as(self.identity.principal.clone()).coming_from(self.origin.clone())
    }

    /// From where the caller acts.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whoever makes this request.
    ///
    /// # Errors
    /// `not_signed_in`, `invalid_token`, … (Unauthenticated); `cross_site` (Forbidden) for a request
    /// with a cookie that another site may have caused; `too_many_requests`.
    pub(crate) async fn of(request: &Request) -> Result<Self> {
        let state = request
            .data::<State>()
            .ok_or_else(|| Error::internal("the routes were mounted without state"))?;
        let proof = proof(request, state)?;
        let authenticator = Arc::clone(&state.authenticator);
        let identity = identify(&proof, &*authenticator).await?;
        let client = request.data::<Client>().copied().unwrap_or_default();
        state.counters.user(&state.settings.rates, client, &identity.principal)?;
        let origin = request.data::<Origin>().cloned().unwrap_or_default();
        Ok(Self { proof, authenticator, identity, origin })
    }

    fn ready(self) -> Result<Self> {
        if self.identity.must_change_password {
            let message = "change the password first: POST /api/v1/auth/password";
            return Err(Error::new(ErrorKind::Forbidden, "password_change_required", message));
        }
        Ok(self)
    }
}

fn proof(request: &Request, state: &State) -> Result<Proof> {
    if let Some(principal) = request.data::<Principal>() {
        return Ok(Proof::Host(principal.clone()));
    }
    if let Some(value) = request.headers().get(http::header::AUTHORIZATION) {
        let token = value.to_str().ok().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        });
        return token.map(Proof::Bearer).ok_or_else(|| {
            Error::new(ErrorKind::Unauthenticated, "invalid_token", "authorization is by a bearer token")
        });
    }
    let Some(cookie) = csrf::cookie(request.headers(), state.settings.cookie_name()) else {
        return Err(Error::new(ErrorKind::Unauthenticated, "not_signed_in", "sign in first"));
    };
    if !request.method().is_safe() {
        csrf::require_same_site(request.headers(), &state.settings)?;
    }
    Ok(Proof::Cookie(cookie.to_owned()))
}

async fn identify(proof: &Proof, authenticator: &dyn Authenticator) -> Result<Identity> {
    match proof {
        Proof::Host(principal) => Ok(principal.clone().into()),
        Proof::Bearer(token) => authenticator.bearer(token).await,
        Proof::Cookie(value) => authenticator.cookie(value).await,
    }
}

#[async_trait]
impl media_http::Caller for Caller {
    async fn principal(&self) -> Result<Principal> {
        Ok(identify(&self.proof, &*self.authenticator).await?.principal)
    }
}

/// Implements the extractor, with both security schemes in the OpenAPI document.
macro_rules! extractor {
    ($caller:ident, $request:ident => $extract:expr) => {
        impl<'a> ApiExtractor<'a> for $caller {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
            type ParamType = ();
            type ParamRawType = ();

            fn register(registry: &mut Registry) {
                register_schemes(registry);
            }

            fn security_schemes() -> Vec<&'static str> {
                vec!["bearer", "cookie"]
            }

            async fn from_request(
                $request: &'a Request,
                _: &mut RequestBody,
                _: ExtractParamOptions<()>,
            ) -> poem::Result<Self> {
                Ok($extract.map_err(Failure)?)
            }
        }
    };
}

extractor!(Caller, request => Caller::of(request).await.and_then(Caller::ready));
extractor!(Newcomer, request => Caller::of(request).await.map(Newcomer));

fn register_schemes(registry: &mut Registry) {
    let scheme = |ty, description| MetaSecurityScheme {
        ty,
        description: Some(description),
        name: None,
        key_in: None,
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    };
    let bearer = MetaSecurityScheme {
        scheme: Some("bearer"),
        bearer_format: Some("JWT"),
        ..scheme("http", "The access token that `POST /api/v1/auth/login` gives, or the host's own.")
    };
    let cookie = MetaSecurityScheme {
        name: Some("medianest"),
        key_in: Some("cookie"),
        ..scheme(
            "apiKey",
            "The cookie that `POST /api/v1/auth/login` sets with `cookie: true`; `__Host-medianest` over HTTPS. \
             Requests that change something must come from the same origin.",
        )
    };
    registry.create_security_scheme("bearer", bearer);
    registry.create_security_scheme("cookie", cookie);
}
