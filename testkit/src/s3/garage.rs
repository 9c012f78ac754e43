//! [Garage](https://garagehq.deuxfleurs.fr), as one node. It lists the parts of uploads with all there is
//! to know of them; what is conditional about a `PUT` it does not heed.

use super::{Place, program};
use crate::watched::Watched;
use std::{
    net::TcpListener,
    path::PathBuf,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

const REGION: &str = "garage";
/// Garage wants ids and secrets of this form.
const ACCESS_KEY_ID: &str = "GK6d656469616e6573740000";
const SECRET_ACCESS_KEY: &str = "6e6f74206120736563726574000000000000000000000000000000000000beef";
const NEEDED: &str = "this test needs the S3 server garage: run script/nightly s3, or put it on the PATH";

#[derive(Debug)]
struct Server {
    endpoint: String,
    program: PathBuf,
    configuration: PathBuf,
    _running: Watched,
}

/// A fresh empty bucket.
pub(super) fn place() -> Place {
    static SERVER: OnceLock<Server> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let server = SERVER.get_or_init(Server::start);
    let bucket = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server.tell(&["bucket", "create", &bucket]);
    server.tell(&["bucket", "allow", "--read", "--write", "--owner", "--key", ACCESS_KEY_ID, &bucket]);
    Place {
        endpoint: server.endpoint.clone(),
        bucket,
        region: REGION.to_owned(),
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SECRET_ACCESS_KEY.to_owned(),
        _kept: None,
    }
}

impl Server {
    fn start() -> Self {
        let program = program("garage").unwrap_or_else(|| panic!("{NEEDED}"));
        let folder = tempfile::Builder::new().prefix("medianest-garage-").tempdir();
        let folder = folder.expect("a temporary folder can be made").keep();
        let (api, rpc) = (free_port(), free_port());
        let configuration = folder.join("garage.toml");
        let text = format!(
            "metadata_dir = {:?}\ndata_dir = {:?}\ndb_engine = \"sqlite\"\nreplication_factor = 1\n\
             rpc_bind_addr = \"127.0.0.1:{rpc}\"\nrpc_public_addr = \"127.0.0.1:{rpc}\"\n\
             rpc_secret = \"{SECRET_ACCESS_KEY}\"\n\
             [s3_api]\ns3_region = \"{REGION}\"\napi_bind_addr = \"127.0.0.1:{api}\"\n",
            folder.join("meta"),
            folder.join("data"),
        );
        std::fs::write(&configuration, text).expect("a file can be written");
        let mut command = Command::new(&program);
        command
            .arg("-c")
            .arg(&configuration)
            .args(["server", "--single-node", "--default-access-key"])
            .env("GARAGE_DEFAULT_ACCESS_KEY", ACCESS_KEY_ID)
            .env("GARAGE_DEFAULT_SECRET_KEY", SECRET_ACCESS_KEY)
            .env("RUST_LOG", "garage=info,garage_api_common=info");
        let (running, ()) = Watched::start(command, &folder, NEEDED, |line| {
            line.contains("S3 API server listening on").then_some(())
        });
        Self { endpoint: format!("http://127.0.0.1:{api}"), program, configuration, _running: running }
    }

    fn tell(&self, arguments: &[&str]) {
        let mut command = Command::new(&self.program);
        let told = command.arg("-c").arg(&self.configuration).args(arguments).output();
        let told = told.expect("garage can be started");
        assert!(told.status.success(), "garage {arguments:?}: {}", String::from_utf8_lossy(&told.stderr));
    }
}

/// Garage says nowhere which port it was given, so it is told one.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the system gives a port");
    listener.local_addr().expect("it is bound").port()
}
