//! [s3s-fs](https://crates.io/crates/s3s-fs). It checks signatures and the SHA-256 of what is sent. What it
//! does otherwise than S3: keys that are too long for the name of a file are refused, a folder answers as
//! if it were an object, the parts of uploads are listed without their ETags, which are not compared
//! either, and unfinished multipart uploads cannot be listed. Here they can be counted, by their files.

use super::program;
use crate::{redis::free_port, watched::Watched};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// The id of the one pair of keys that the server knows.
pub const ACCESS_KEY_ID: &str = "medianest";
/// The secret of that pair.
pub const SECRET_ACCESS_KEY: &str = "not a secret, but long enough";
/// The region that requests are signed for.
pub const REGION: &str = "us-east-1";

/// An empty bucket of its own for one test; its objects go with this value.
#[derive(Debug)]
pub struct Bucket {
    root: PathBuf,
    address: SocketAddr,
    name: String,
}

/// A fresh empty bucket on the process's own server.
///
/// # Panics
/// When there is no s3s-fs on this machine, or it does not start.
pub fn bucket() -> Bucket {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start).bucket()
}

impl Bucket {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the server, for path-style requests.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The objects are the files in this folder.
    pub fn folder(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    /// Multipart uploads that were begun in this bucket, and neither completed nor aborted.
    ///
    /// # Panics
    /// When the server's folder cannot be read.
    pub fn unfinished_uploads(&self) -> usize {
        // The server notes the attributes of each upload in `.bucket-{}.object-{}.upload-{}…`.
        let begin = format!(".bucket-{}.", base64(self.name.as_bytes()));
        let entries = std::fs::read_dir(&self.root).expect("the server's folder can be read");
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.starts_with(&begin) && name.contains(".upload-")).count()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.folder());
    }
}

/// URL-safe and without padding, as the server names its files.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |bits: u32| char::from(DIGITS[(bits & 63) as usize]);
    let of_three = |three: &[u8]| {
        let bits =
            three.iter().enumerate().fold(0, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        let digits = [bits >> 18, bits >> 12, bits >> 6, bits].map(digit);
        digits.into_iter().take(three.len() + 1).collect::<String>()
    };
    bytes.chunks(3).map(of_three).collect()
}

/// A server of one test; gone with this value, and when the process dies by whatever means.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    address: SocketAddr,
    running: Option<Watched>,
}

impl Server {
    /// A server without buckets.
    ///
    /// # Panics
    /// When there is no s3s-fs on this machine, or it does not start.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("medianest-s3-")
            .tempdir()
            .expect("a temporary folder can be made")
            .keep();
        let mut server = Self { folder, address: ([127, 0, 0, 1], free_port()).into(), running: None };
        server.restart();
        server
    }

    /// Starts it again after [`kill`](Self::kill), on the same port with what it kept on disk.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let needed = "tests need the S3 server s3s-fs: run script/setup --test, or put it on the PATH";
        let program = program("s3s-fs").unwrap_or_else(|| panic!("{needed}"));
        let mut command = Command::new(program);
        command
            .args(["--host", "127.0.0.1", "--port", &self.address.port().to_string()])
            .args(["--access-key", ACCESS_KEY_ID, "--secret-key", SECRET_ACCESS_KEY])
            .arg(&self.folder)
            .env("RUST_LOG", "s3s_fs=info");
        let is_ready = |line: &str| line.contains("server is running at http://").then_some(());
        self.running = Some(Watched::start(command, &self.folder, needed, is_ready).0);
    }

    /// A fresh empty bucket.
    ///
    /// # Panics
    /// When the server's folder cannot be written.
    pub fn bucket(&self) -> Bucket {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        std::fs::create_dir(self.folder.join(&name)).expect("a bucket is a folder");
        Bucket { root: self.folder.clone(), address: self.address, name }
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }

    /// The file that it writes what it says into.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The folder with the buckets.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.running.is_none() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watched::tests::assert_goes_with_its_process;
    use std::{io::Read, net::TcpStream};

    #[test]
    fn the_name_of_a_bucket_is_encoded_as_the_server_does() {
        for (text, encoded) in
            [("a", "YQ"), ("ab", "YWI"), ("abc", "YWJj"), ("test-1", "dGVzdC0x"), ("\u{3f}\u{fe}", "P8O-")]
        {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn the_server_goes_with_its_process() {
        assert_goes_with_its_process("s3::s3s_fs::tests::the_server_goes_with_its_process", || {
            let bucket = bucket();
            (bucket.root.clone(), Some(bucket.address))
        });
    }

    #[test]
    fn a_server_dies_and_comes_back_with_what_it_had() {
        let mut server = Server::start();
        let bucket = server.bucket();
        server.kill();
        assert!(TcpStream::connect(bucket.address()).is_err());
        server.restart();
        assert!(TcpStream::connect(bucket.address()).is_ok() && bucket.folder().is_dir());
    }

    #[test]
    fn each_bucket_is_empty_and_guarded() {
        let (first, second) = (bucket(), bucket());
        assert_ne!(first.name(), second.name());
        let mut connection = TcpStream::connect(first.address()).unwrap();
        let request =
            format!("GET /{}?list-type=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", first.name());
        std::io::Write::write_all(&mut connection, request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert_eq!(first.unfinished_uploads(), 0);
    }
}
