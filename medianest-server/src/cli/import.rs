use super::{
    library,
    nest::{Reached, encode, id},
    output, user,
};
use crate::{composition::is_media, config::Config};
use futures::{StreamExt, TryStreamExt, stream};
use http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use medianest_core::{Error, ErrorKind, Result, Sha256, Timestamp};
use poem::{Body, Request};
use serde::Serialize;
use serde_json::json;
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// Files that are hashed and sent at the same time.
const PARALLEL: usize = 2;
const CHUNK: usize = 1 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder; what is below it is put in as well.
    dir: PathBuf,
    /// Whose it becomes, by login; where there is one user, theirs.
    #[arg(long, value_name = "LOGIN")]
    owner: Option<String>,
    /// Into which library, by id or name; the owner's own by default.
    #[arg(long, value_name = "LIBRARY")]
    library: Option<String>,
    /// Make the library when the owner sees none of that name.
    #[arg(long, requires = "library")]
    create_library: bool,
    /// What was done, as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Default, Serialize)]
struct Done {
    /// Files that were put in.
    added: u64,
    /// Files that were there already.
    present: u64,
    /// Files that are no media.
    skipped: u64,
    /// Files that could not be read or were refused, with the reason.
    failed: Vec<String>,
}

enum Outcome {
    Added,
    Present,
    Skipped,
}

pub(super) async fn run(config: Config, args: Args) -> Result<()> {
    if !args.dir.is_dir() {
        return Err(Error::invalid("not_a_folder", "this is not a folder").with("path", args.dir.display()));
    }
    let reached = Reached::open(&config).await?;
    let owner = match &args.owner {
        Some(login) => user::find(&reached, login).await?,
        None => user::only(&reached).await?,
    };
    let reached = reached.acting_as(id(&owner)?)?;
    let library = library_of(&reached, &args).await?;
    let mut done = Done::default();
    let files = files(&args.dir, &mut done.failed);

    let progress = ProgressBar::new(files.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}") {
        progress.set_style(style);
    }
    let mut outcomes = stream::iter(files)
        .map(|file| {
            let (reached, library) = (&reached, &library);
            async move {
                let outcome = import(reached, library, &file).await;
                (file, outcome)
            }
        })
        .buffer_unordered(PARALLEL);
    while let Some((file, outcome)) = outcomes.next().await {
        progress.set_message(file.file_name().unwrap_or_default().to_string_lossy().into_owned());
        progress.inc(1);
        match outcome {
            Ok(Outcome::Added) => done.added += 1,
            Ok(Outcome::Present) => done.present += 1,
            Ok(Outcome::Skipped) => done.skipped += 1,
            // Every other file would fail the same way.
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::StorageFull) => {
                progress.abandon();
                return Err(error.with("path", file.display()));
            }
            Err(error) => done.failed.push(format!("{}: {}", file.display(), error.report())),
        }
    }
    drop(outcomes);
    progress.finish_and_clear();
    reached.close().await;
    report(&done, args.json)
}

fn report(done: &Done, as_json: bool) -> Result<()> {
    if as_json {
        output::json(done)?;
    } else {
        output::line(format_args!(
            "{} added, {} were there already, {} are no media, {} failed",
            done.added,
            done.present,
            done.skipped,
            done.failed.len()
        ))?;
        done.failed.iter().try_for_each(|failed| output::line(format_args!("  {failed}")))?;
    }
    match done.failed.len() {
        0 => Ok(()),
        _ => Err(Error::invalid("import_incomplete", "some files were not put in; run it again")),
    }
}

/// The id of the library to put things in.
async fn library_of(reached: &Reached, args: &Args) -> Result<String> {
    let Some(wanted) = &args.library else {
        let own = reached.call(Method::GET, "/me/library", None).await?;
        return Ok(id(&own)?.to_owned());
    };
    if let Some(found) = library::find(reached, wanted).await? {
        return Ok(found);
    }
    if args.create_library {
        let made = reached.call(Method::POST, "/libraries", Some(json!({ "name": wanted }))).await?;
        return Ok(id(&made)?.to_owned());
    }
    Err(Error::not_found("library", wanted).with("hint", "--create-library makes it"))
}

/// Regular files below a folder, sorted, but those whose name or folder begins with a point; and why what
/// could not be read could not. Links are not followed: they may lead out, or round.
fn files(folder: &Path, failed: &mut Vec<String>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if let Err(error) = entries(&folder, &mut folders, &mut found) {
            failed.push(format!("{}: {error}", folder.display()));
        }
    }
    found.sort();
    found
}

fn entries(folder: &Path, folders: &mut Vec<PathBuf>, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            folders.push(entry.path());
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

async fn import(reached: &Reached, library: &str, file: &Path) -> Result<Outcome> {
    let path = file.to_owned();
    let looked = tokio::task::spawn_blocking(move || look(&path)).await;
    let looked = looked.map_err(|source| Error::internal("reading a file failed").caused_by(source))??;
    let Some(Looked { sha256, size, modified }) = looked else { return Ok(Outcome::Skipped) };
    let original = format!("/libraries/{library}/originals/{sha256}?size={size}");
    match reached.call(Method::GET, &original, None).await {
        Ok(_) => return Ok(Outcome::Present),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut uri = format!("/api/v1/assets?library_id={library}&name={}", encode(&name));
    if let Some(modified) = modified {
        uri.push_str(&format!("&taken_at={}", encode(&modified.to_string())));
    }
    let body = Body::from_bytes_stream(read(file).await?);
    let request = Request::builder()
        .method(Method::POST)
        .uri_str(uri)
        .content_type("application/octet-stream")
        .header("content-length", size)
        .body(body);
    reached.send(request).await.map(|_| Outcome::Added)
}

struct Looked {
    sha256: Sha256,
    size: u64,
    modified: Option<Timestamp>,
}

/// What a file is, without keeping it in memory; None when it is no media.
fn look(path: &Path) -> Result<Option<Looked>> {
    use sha2::Digest;

    let unreadable =
        |source: std::io::Error| Error::invalid("unreadable", "the file cannot be read").caused_by(source);
    let mut file = fs::File::open(path).map_err(unreadable)?;
    let modified = file.metadata().and_then(|meta| meta.modified()).ok();
    let modified = modified
        .and_then(|time| i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_micros()).ok())
        .map(Timestamp::from_micros);
    let mut hash = sha2::Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut size = 0;
    loop {
        let count = file.read(&mut chunk).map_err(unreadable)?;
        if size == 0 && !is_media(&chunk[..count]) {
            return Ok(None);
        }
        if count == 0 {
            break;
        }
        hash.update(&chunk[..count]);
        size += count as u64;
    }
    Ok(Some(Looked { sha256: Sha256(hash.finalize().into()), size, modified }))
}

async fn read(
    path: &Path,
) -> Result<impl futures::Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static> {
    use tokio::io::AsyncReadExt;

    let file = tokio::fs::File::open(path)
        .await
        .map_err(|source| Error::invalid("unreadable", "the file cannot be read").caused_by(source))?;
    Ok(stream::try_unfold(file, |mut file| async move {
        let mut chunk = Vec::with_capacity(CHUNK);
        let count = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await?;
        Ok((count > 0).then(|| (bytes::Bytes::from(chunk), file)))
    })
    .into_stream())
}
