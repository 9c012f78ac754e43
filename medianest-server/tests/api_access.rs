//! S8: what belongs to one user is not there for another, on every route of the OpenAPI document.

mod common;

use common::{GIF, Server, assert_problem};
use reqwest::Method;
use serde_json::{Value, json};

const NOBODY: &str = "0190b0c0-0000-7000-8000-000000000000";

#[tokio::test]
async fn s8_what_is_anothers_is_not_there() {
    let server = Server::start();
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let (_, library) = ada.get("/me/library").await;
    let (status, asset) = ada.upload("mine.gif", GIF).await;
    assert_eq!(status, 201);
    let library = library["id"].as_str().unwrap();
    let asset = asset["id"].as_str().unwrap();

    let document: Value =
        server.request(Method::GET, "/openapi.json").send().await.unwrap().json().await.unwrap();
    let mut tried = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if !path.contains('{') {
                continue;
            }
            let id = match path.split('/').nth(1) {
                Some("assets") => asset,
                Some("libraries") => library,
                Some("users") => ada.id.as_str(),
                Some("auth") => ada.session.as_str(),
                // Only who began one can do anything with it: see api_direct.
                Some("jobs" | "queues" | "direct-uploads") => NOBODY,
                other => panic!("say whose {other:?} is"),
            };
            let filled = path
                .replace("{id}", id)
                .replace("{upload}", NOBODY)
                .replace("{subject}", &bob.id)
                .replace("{variant}", "small")
                .replace("{rendition}", NOBODY)
                .replace("{part}", "0.mp4")
                .replace("{kind}", "render")
                .replace("{sha256}", &"a".repeat(64));
            let filled = if path.ends_with("{sha256}") { filled + "?size=43" } else { filled };
            let name = operation["operationId"].as_str().unwrap();
            let body = operation["requestBody"].is_object().then(|| match name {
                "putMember" => json!({ "role": "owner" }),
                "setRecipe" => json!({ "variants": {} }),
                "renameLibrary" => json!({ "name": "bob's" }),
                "setLibraryStore" => json!({ "store": "default" }),
                "presignDirectPart" => json!({ "number": 1 }),
                "completeDirectUpload" => json!({ "parts": [] }),
                _ => json!({}),
            });
            let method: Method = method.to_uppercase().parse().unwrap();
            let (status, answer) = bob.call(method, &filled, body).await;
            assert!(matches!(status.as_u16(), 403 | 404), "{name}: {status} {answer}");
            assert!(!answer.to_string().contains("mine.gif"), "{name}: {answer}");
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
    for list in ["/assets", "/assets?trashed=true", "/libraries", "/search?q=mine"] {
        assert_eq!(bob.get(list).await.1["items"], json!([]), "{list}");
    }
    assert_eq!(
        bob.get(&format!("/assets?library_id={library}&owner={}", ada.id)).await.1["items"],
        json!([])
    );
    let into = bob.request(Method::POST, &format!("/assets?library_id={library}")).body(GIF);
    assert_problem(common::answer(into.header("content-type", "image/gif")).await, 404, "library_not_found");

    // Nothing of it had an effect.
    assert!(ada.is_in().await);
    assert_eq!(ada.get(&format!("/assets/{asset}")).await.1["trashed_at"], Value::Null);
    assert_eq!(
        ada.get(&format!("/libraries/{library}/members")).await.1["items"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn members_may_do_what_their_role_allows() {
    let server = Server::start();
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let (_, library) = ada.call(Method::POST, "/libraries", Some(json!({ "name": "Holidays" }))).await;
    let library = format!("/libraries/{}", library["id"].as_str().unwrap());
    let member = format!("{library}/members/{}", bob.id);
    assert_problem(bob.get(&library).await, 404, "library_not_found");
    let put =
        async |role: &str| ada.call(Method::PUT, &member, Some(json!({ "role": role }))).await.0.as_u16();
    assert_eq!(put("viewer").await, 200);
    assert_eq!(bob.get(&library).await.0, 200);
    let upload = || {
        let path = format!("/assets?library_id={}", library.rsplit_once('/').unwrap().1);
        common::answer(bob.request(Method::POST, &path).header("content-type", "image/gif").body(GIF))
    };
    assert_problem(upload().await, 403, "forbidden");
    assert_eq!(put("contributor").await, 200);
    let (status, asset) = upload().await;
    assert_eq!(status, 201);
    let asset = format!("/assets/{}", asset["id"].as_str().unwrap());
    assert_problem(bob.call(Method::DELETE, &asset, None).await, 403, "forbidden");
    assert_eq!(put("editor").await, 200);
    assert_eq!(bob.call(Method::DELETE, &asset, None).await.0, 204);
    assert_eq!(bob.call(Method::POST, &format!("{asset}/restore"), None).await.0, 200);
    assert_problem(bob.call(Method::PATCH, &library, Some(json!({ "name": "x" }))).await, 403, "forbidden");

    // Leaving is always allowed; being the last owner is not.
    assert_eq!(bob.call(Method::DELETE, &member, None).await.0, 204);
    assert_problem(bob.get(&asset).await, 404, "asset_not_found");
    let own = format!("{library}/members/{}", ada.id);
    assert_problem(ada.call(Method::DELETE, &own, None).await, 409, "last_owner");
    let nobody = format!("{library}/members/0190b0c0-0000-7000-8000-000000000000");
    assert_problem(
        ada.call(Method::PUT, &nobody, Some(json!({ "role": "owner" }))).await,
        404,
        "user_not_found",
    );
}
