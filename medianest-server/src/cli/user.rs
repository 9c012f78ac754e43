use super::{
    nest::{Reached, encode, id},
    output,
};
use crate::config::Config;
use clap::Subcommand;
use http::Method;
use medianest_core::{Error, Result};
use serde_json::{Value, json};
use std::io::{IsTerminal, Read};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a user.
    Add {
        /// What they sign in with.
        login: String,
        /// Shown name.
        #[arg(long)]
        name: Option<String>,
        /// An administrator.
        #[arg(long)]
        admin: bool,
        /// Read the password from standard input; by default one is made up, to be changed at the first
        /// sign-in.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give a user a new password, to be changed at the next sign-in, and end all of their sessions.
    ResetPassword {
        /// What they sign in with.
        login: String,
    },
    /// List the users.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shut a user out, at once.
    Disable {
        /// What they sign in with.
        login: String,
    },
    /// Let a user in again.
    Enable {
        /// What they sign in with.
        login: String,
    },
}

pub(super) async fn run(config: Config, command: Command) -> Result<()> {
    let reached = Reached::open(&config).await?;
    let done = act(&reached, command).await;
    reached.close().await;
    done
}

async fn act(reached: &Reached, command: Command) -> Result<()> {
    match command {
        Command::Add { login, name, admin, password_stdin } => {
            let chosen = if password_stdin { Some(password()?) } else { None };
            let role = if admin { "admin" } else { "user" };
            let mut user = json!({ "login": login, "role": role, "must_change_password": chosen.is_none() });
            if let Some(name) = name {
                user["name"] = name.into();
            }
            // One that nobody knows, until it is reset below.
            let unknown = uuid::Uuid::now_v7().to_string() + &uuid::Uuid::now_v7().to_string();
            user["password"] = chosen.clone().unwrap_or(unknown).into();
            let user = reached.call(Method::POST, "/users", Some(user)).await?;
            match chosen {
                Some(_) => output::line(format_args!("Added {login}.")),
                None => reset(reached, &user, &format!("Added {login}")).await,
            }
        }
        Command::ResetPassword { login } => {
            let user = find(reached, &login).await?;
            reset(reached, &user, &format!("Reset {login}")).await
        }
        Command::List { json } => list(reached, json).await,
        Command::Disable { login } => switch(reached, &login, true).await,
        Command::Enable { login } => switch(reached, &login, false).await,
    }
}

async fn reset(reached: &Reached, user: &Value, done: &str) -> Result<()> {
    let path = format!("/users/{}/password", id(user)?);
    let answer = reached.call(Method::POST, &path, Some(json!({}))).await?;
    let password = answer["password"].as_str().unwrap_or_default();
    output::line(format_args!("{done}, with the one-time password {password}"))
}

async fn switch(reached: &Reached, login: &str, disabled: bool) -> Result<()> {
    let user = find(reached, login).await?;
    let path = format!("/users/{}", id(&user)?);
    reached.call(Method::PATCH, &path, Some(json!({ "disabled": disabled }))).await?;
    output::line(format_args!("{login} is {}.", if disabled { "shut out" } else { "let in" }))
}

async fn list(reached: &Reached, as_json: bool) -> Result<()> {
    let users = reached.all("/users").await?;
    if as_json {
        return output::json(&users);
    }
    for user in users {
        let text = |key: &str| user[key].as_str().unwrap_or_default().to_owned();
        let state = if user["disabled_at"].is_string() { "shut out" } else { "" };
        output::line(
            format_args!("{:<24} {:<6} {:<24} {state}", text("login"), text("role"), text("name"))
                .to_string()
                .trim_end(),
        )?;
    }
    Ok(())
}

/// The only user there is.
pub(super) async fn only(reached: &Reached) -> Result<Value> {
    let mut page = reached.call(Method::GET, "/users?limit=2", None).await?;
    let users = page["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
    match <[Value; 1]>::try_from(users) {
        Ok([user]) => Ok(user),
        Err(_) => Err(Error::invalid("no_owner", "say whose it becomes with --owner")),
    }
}

/// A user by login.
pub(super) async fn find(reached: &Reached, login: &str) -> Result<Value> {
    let mut page = reached.call(Method::GET, &format!("/users?login={}", encode(login)), None).await?;
    match page["items"].as_array_mut().and_then(Vec::pop) {
        Some(user) => Ok(user),
        None => Err(Error::not_found("user", login)),
    }
}

fn password() -> Result<String> {
    if std::io::stdin().is_terminal() {
        output::line("Password (it is shown as you type; better pipe it in):")?;
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(4096)
        .read_to_string(&mut text)
        .map_err(|source| Error::invalid("invalid_password", "cannot read the password").caused_by(source))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
