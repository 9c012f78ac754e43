use async_trait::async_trait;
use medianest_core::{Error, Result};
use object_store::{
    Certificate, ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
    },
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often a file of certificates is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Connects to who is vouched for by the certificates of the system and, where there is one, those in a file; when
/// others are put into the file, by those.
#[derive(Clone, Debug)]
pub(super) struct Trusted {
    ca_file: Option<Arc<Path>>,
}

impl Trusted {
    /// By the certificates in this file too, in PEM.
    ///
    /// # Errors
    /// `invalid_ca_file`.
    pub(super) fn by(ca_file: Option<PathBuf>) -> Result<Self> {
        let trusted = Self { ca_file: ca_file.map(Arc::from) };
        let Some(file) = &trusted.ca_file else { return Ok(trusted) };
        read(file).and_then(|pem| with(&ClientOptions::new(), &pem).map(drop)).map_err(|source| {
            Error::invalid(
                "invalid_ca_file",
                "cannot read the certificates that the store is to be trusted by",
            )
            .caused_by(source)
        })?;
        Ok(trusted)
    }
}

fn read(file: &Path) -> object_store::Result<Vec<u8>> {
    std::fs::read(file).map_err(failed)
}

fn with(options: &ClientOptions, pem: &[u8]) -> object_store::Result<ClientOptions> {
    let certificates = Certificate::from_pem_bundle(pem)?;
    if certificates.is_empty() {
        return Err(failed("there is no certificate in the file"));
    }
    Ok(certificates.into_iter().fold(options.clone(), ClientOptions::with_root_certificate))
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: "certificates", source: source.into() }
}

impl HttpConnector for Trusted {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let Some(ca_file) = &self.ca_file else { return ReqwestConnector::default().connect(options) };
        let pem = read(ca_file)?;
        let client = ReqwestConnector::default().connect(&with(options, &pem)?)?;
        let current = Mutex::new(Current { pem, client, looked: Instant::now() });
        Ok(HttpClient::new(Renewed { ca_file: Arc::clone(ca_file), options: options.clone(), current }))
    }
}

/// A client that is made again when its certificates change.
#[derive(Debug)]
struct Renewed {
    ca_file: Arc<Path>,
    options: ClientOptions,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    pem: Vec<u8>,
    client: HttpClient,
    looked: Instant,
}

impl Renewed {
    fn client(&self) -> HttpClient {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() >= LOOK {
            current.looked = Instant::now();
            if let Err(error) = self.renew(&mut current) {
                let file = self.ca_file.display();
                tracing::warn!(%error, %file, "certificates cannot be taken up; those of before stay");
            }
        }
        current.client.clone()
    }

    fn renew(&self, current: &mut Current) -> object_store::Result<()> {
        let pem = read(&self.ca_file)?;
        if pem != current.pem {
            let options = with(&self.options, &pem)?;
            current.client = ReqwestConnector::default().connect(&options)?;
            current.pem = pem;
        }
        Ok(())
    }
}

#[async_trait]
impl HttpService for Renewed {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.client().execute(request).await
    }
}
