use http::HeaderValue;
use poem_openapi::registry::MetaApi;
use std::collections::BTreeSet;

/// Which methods a path knows, for the header `Allow` of a 405 (RFC 9110, section 15.5.6).
pub(crate) struct AllowedMethods(Vec<(Vec<String>, String)>);

impl AllowedMethods {
    /// Those of an OpenAPI service mounted at `prefix`.
    pub(crate) fn new(prefix: &str, apis: Vec<MetaApi>) -> Self {
        let mut paths: std::collections::BTreeMap<String, BTreeSet<String>> = Default::default();
        for path in apis.into_iter().flat_map(|api| api.paths) {
            let methods = paths.entry(format!("{prefix}{}", path.path)).or_default();
            for operation in path.operations {
                methods.insert(operation.method.to_string());
                if operation.method == http::Method::GET {
                    methods.insert("HEAD".into());
                }
            }
        }
        Self(
            paths
                .into_iter()
                .map(|(path, methods)| {
                    let methods = methods.into_iter().collect::<Vec<_>>().join(", ");
                    (path.split('/').map(str::to_owned).collect(), methods)
                })
                .collect(),
        )
    }

    /// The methods of a path; what is not one of the service is only read.
    pub(crate) fn of(&self, path: &str) -> HeaderValue {
        let segments: Vec<_> = path.split('/').collect();
        let fits = |pattern: &Vec<String>| {
            pattern.len() == segments.len()
                && pattern
                    .iter()
                    .zip(&segments)
                    .all(|(wanted, given)| wanted.starts_with([':', '{']) || wanted == given)
        };
        let methods = self.0.iter().find(|(pattern, _)| fits(pattern));
        methods
            .and_then(|(_, methods)| HeaderValue::from_str(methods).ok())
            .unwrap_or(HeaderValue::from_static("GET, HEAD"))
    }
}
