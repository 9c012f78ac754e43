//! The contract as it was agreed on: a change of it is a change of this file, on purpose.

use std::{collections::BTreeSet, path::Path, process::Command};

fn document() -> String {
    let printed = Command::new(env!("CARGO_BIN_EXE_medianest")).arg("openapi").output().unwrap();
    assert!(printed.status.success());
    String::from_utf8(printed.stdout).unwrap()
}

/// To accept a change: `medianest openapi > medianest-server/openapi.json`.
#[test]
fn the_document_is_the_golden_one() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let golden = std::fs::read_to_string(golden).unwrap();
    assert!(document() == golden, "the OpenAPI document changed; see the comment of this test");
}

#[test]
fn every_operation_has_a_name_of_its_own_and_lists_its_problems() {
    let document: serde_json::Value = serde_json::from_str(&document()).unwrap();
    let mut names = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name =
                operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no name"));
            assert!(names.insert(name.to_owned()), "two operations are called {name}");
            assert!(operation["summary"].is_string(), "{name} has no summary");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("400") && responses.contains_key("503"), "{name}");
            let is_secured = operation["security"].is_array();
            assert_eq!(is_secured, responses.contains_key("401") && is_secured, "{name}");
        }
    }
    assert!(names.len() > 40, "{}", names.len());
    for both in ["listAssets", "uploadAsset"] {
        assert!(names.contains(both), "{both}: two groups at one path");
    }
}

/// What the engine refuses by a rule, the document says; `script/ci/api-fuzz` proves it in full.
#[test]
fn bodies_have_no_other_fields_and_parameters_have_bounds() {
    let document: serde_json::Value = serde_json::from_str(&document()).unwrap();
    let (mut bodies, mut limits) = (0, 0);
    for operation in
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap())
    {
        let (_, operation) = operation;
        let name = operation["operationId"].as_str().unwrap();
        if let Some(json) = operation["requestBody"]["content"]["application/json; charset=utf-8"].as_object()
        {
            let schema = json["schema"]["$ref"].as_str().unwrap().trim_start_matches('#');
            assert_eq!(document.pointer(schema).unwrap()["additionalProperties"], false, "{name}");
            for status in ["408", "413", "415"] {
                assert!(operation["responses"][status].is_object(), "{name} does not list {status}");
            }
            bodies += 1;
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let schema = &parameter["schema"];
            match parameter["name"].as_str().unwrap() {
                "limit" => assert!(schema["maximum"].is_number() && schema["minimum"] == 1.0, "{name}"),
                "cursor" => assert_eq!(schema["maxLength"], 512, "{name}"),
                "id" => assert_eq!(schema["format"], "uuid", "{name}"),
                _ => continue,
            }
            limits += 1;
        }
    }
    assert!(bodies > 10 && limits > 30, "{bodies} {limits}");
}
